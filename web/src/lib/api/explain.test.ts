// @vitest-environment jsdom
import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, test } from 'vitest';

import { SottoError, type Schemas } from '.';
import { chooseLanguage, LANGUAGES, startLanguage, type Language } from '../i18n/index.svelte';
import { explain, fieldError } from './explain';

type FieldError = Schemas['FieldError'];

type Described = {
  FieldCode: { enum: FieldError['code'][]; 'x-params': Record<string, string[]> };
  ProblemCode: { enum: Schemas['ProblemCode'][] };
};
type Texts = { field: Record<string, string>; problem: Record<string, string> };

const { FieldCode, ProblemCode } = readJson<{ components: { schemas: Described } }>('../openapi.json').components
  .schemas;
const fields = FieldCode.enum;
const problems = ProblemCode.enum;
const params = FieldCode['x-params'];
const languages = Object.keys(LANGUAGES) as Language[];
const words = Object.fromEntries(
  languages.map((language) => [language, readJson<Texts>(`src/lib/i18n/${language}/errors.json`)]),
) as Record<Language, Texts>;

const SERVER = 'the words of the server';
const SENTENCE = /^\p{Lu}.*\.$/u;

const rejection = (...errors: FieldError[]) => new SottoError(422, { detail: SERVER, errors });
const flaw = (code: string, values?: FieldError['params']): FieldError =>
  ({ loc: ['body', 'name'], msg: SERVER, code, ...(values && { params: values }) }) as FieldError;

beforeAll(startLanguage);

describe.each(languages)('in %s', (language) => {
  beforeAll(() => chooseLanguage(language));

  test.each(fields)('the field error %s has a sentence', (code) => {
    const values = (params[code] ?? []).map((name, index) => [name, 7001 + index] as const);
    const sentence = fieldError(rejection(flaw(code, Object.fromEntries(values))), 'name')!;
    expect(sentence).toMatch(SENTENCE);
    expect(sentence).not.toContain(SERVER);
    // The sentence contains all values that the server sends, formatted for the language, and no other placeholder.
    for (const [, value] of values) expect(sentence).toContain(value.toLocaleString(language));
    expect(sentence).not.toContain('{{');
  });

  test.each(problems)('the problem %s has a sentence', (code) => {
    const sentence = explain(new SottoError(400, { detail: SERVER, code }));
    expect(sentence).toMatch(SENTENCE);
    expect(sentence).not.toContain(SERVER);
    expect(sentence).not.toContain('{{');
  });

  test('there are no sentences for unknown codes', () => {
    expect(Object.keys(words[language].field).sort()).toEqual([...fields].sort());
    expect(Object.keys(words[language].problem).sort()).toEqual([...problems].sort());
  });
});

test('each sentence differs between the languages', () => {
  for (const kind of ['field', 'problem'] as const) {
    for (const [code, text] of Object.entries(words.en[kind]))
      expect([code, words.de[kind][code]]).not.toEqual([code, text]);
  }
});

describe('an unknown code of a newer server', () => {
  beforeAll(() => chooseLanguage('de'));

  test("is shown in the server's words", () => {
    expect(fieldError(rejection(flaw('not_yet_known')), 'name')).toBe(SERVER);
    expect(explain(new SottoError(409, { detail: SERVER, code: 'not_yet_known' as never }))).toBe(SERVER);
    expect(explain(new SottoError(409, { detail: SERVER }))).toBe(SERVER);
  });

  test('is explained by its status where that is enough', () => {
    const [wait, fault] = [429, 500].map((status) =>
      explain(new SottoError(status, { detail: SERVER, code: 'not_yet_known' as never })),
    );
    expect(wait).toBe(words.de.problem.too_many_attempts);
    expect(fault).toMatch(/^Auf dem Server ging etwas schief/);
  });
});

test('a problem of one field is shown at that field', async () => {
  await chooseLanguage('de');
  const emailTaken = new SottoError(409, { detail: SERVER, code: 'email_taken' });
  expect(fieldError(emailTaken, 'email')).toBe(words.de.problem.email_taken);
  expect(fieldError(emailTaken, 'password')).toBeUndefined();
  expect(explain(rejection(flaw('empty'), flaw('past')))).toBe(`${words.de.field.empty} ${words.de.field.past}`);
});

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
