// @vitest-environment jsdom
import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, test } from 'vitest';

import { SottoError, type Schemas } from '.';
import { chooseLanguage, LANGUAGES, startLanguage, type Language } from '../i18n/index.svelte';
import { explain, fieldError } from './explain';

type FieldError = Schemas['FieldError'];

const { schemas } = JSON.parse(readFileSync('../openapi.json', 'utf8')).components;
const fields: FieldError['code'][] = schemas.FieldCode.enum;
const problems: Schemas['ProblemCode'][] = schemas.ProblemCode.enum;
const params: Record<string, string[]> = schemas.FieldCode['x-params'];
const languages = Object.keys(LANGUAGES) as Language[];
const words = Object.fromEntries(
  languages.map((language) => [language, JSON.parse(readFileSync(`src/lib/i18n/${language}/errors.json`, 'utf8'))]),
);

const SERVER = 'the words of the server';
const SENTENCE = /^\p{Lu}.*\.$/u;

const refused = (...errors: FieldError[]) => new SottoError(422, { detail: SERVER, errors });
const wrong = (code: string, values?: FieldError['params']): FieldError =>
  ({ loc: ['body', 'name'], msg: SERVER, code, ...(values && { params: values }) }) as FieldError;

beforeAll(startLanguage);

describe.each(languages)('in %s', (language) => {
  beforeAll(() => chooseLanguage(language));

  test.each(fields)('what is wrong with a field is a sentence: %s', (code) => {
    const values = (params[code] ?? []).map((name, index) => [name, 7001 + index] as const);
    const said = fieldError(refused(wrong(code, Object.fromEntries(values))), 'name')!;
    expect(said).toMatch(SENTENCE);
    expect(said).not.toContain(SERVER);
    // Every value that the server gives is in it, as a person would write the number, and no other is asked for.
    for (const [, value] of values) expect(said).toContain(value.toLocaleString(language));
    expect(said).not.toContain('{{');
  });

  test.each(problems)('a problem is a sentence: %s', (code) => {
    const said = explain(new SottoError(400, { detail: SERVER, code }));
    expect(said).toMatch(SENTENCE);
    expect(said).not.toContain(SERVER);
    expect(said).not.toContain('{{');
  });

  test('nothing is said of a code that there is not', () => {
    expect(Object.keys(words[language].field).sort()).toEqual([...fields].sort());
    expect(Object.keys(words[language].problem).sort()).toEqual([...problems].sort());
  });
});

test('no sentence is the same in two languages', () => {
  for (const kind of ['field', 'problem']) {
    for (const [code, text] of Object.entries(words.en[kind])) expect([code, words.de[kind][code]]).not.toEqual([code, text]);
  }
});

describe('a newer server', () => {
  beforeAll(() => chooseLanguage('de'));

  test('is passed on in its own words', () => {
    expect(fieldError(refused(wrong('not_yet_known')), 'name')).toBe(SERVER);
    expect(explain(new SottoError(409, { detail: SERVER, code: 'not_yet_known' as never }))).toBe(SERVER);
    expect(explain(new SottoError(409, { detail: SERVER }))).toBe(SERVER);
  });

  test('is understood by the status where that says enough', () => {
    const [wait, fault] = [429, 500].map((status) => explain(new SottoError(status, { detail: SERVER, code: 'not_yet_known' as never })));
    expect(wait).toBe(words.de.problem.too_many_attempts);
    expect(fault).toMatch(/^Der Server konnte das gerade nicht tun/);
  });
});

test('a problem of one field is said beside it', async () => {
  await chooseLanguage('de');
  const taken = new SottoError(409, { detail: SERVER, code: 'email_taken' });
  expect(fieldError(taken, 'email')).toBe(words.de.problem.email_taken);
  expect(fieldError(taken, 'password')).toBeUndefined();
  expect(explain(refused(wrong('empty'), wrong('past')))).toBe(`${words.de.field.empty} ${words.de.field.past}`);
});
