/** Checks docs/frontend.md: its examples form one program, which is type-checked and run against a real server. */

import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import ts from 'typescript';

import { run } from '../support/processes';
import { expect, test } from '../support/test';

const root = resolve(import.meta.dirname, '../..');

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  skipLibCheck: true,
  types: ['node'],
  typeRoots: [join(root, 'e2e/node_modules/@types')],
};

let folder: string;
let guide: string;

test.beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-guide-'));
  guide = await readFile(join(root, 'docs/frontend.md'), 'utf8');
});

test.afterAll(() => rm(folder, { recursive: true, force: true }));

/** The code blocks of one language, on the same lines as in the guide, so that errors name the guide's lines. */
function program(language: string): string {
  let inside = false;
  const lines = guide.split('\n').map((line) => {
    if (line.startsWith('```')) {
      inside = line === `\`\`\`${language}`;
      return '';
    }
    return inside ? line : '';
  });
  return lines.join('\n');
}

/** Installs the packed packages, and the dependencies of packages and guide, as another project would do. */
async function install(): Promise<void> {
  const modules = join(folder, 'node_modules');
  for (const name of ['client', 'vault']) {
    const installed = join(modules, '@sotto', name);
    await mkdir(installed, { recursive: true });
    await run('npm', ['pack', '--pack-destination', folder], { cwd: join(root, 'web/packages', name), seconds: 300 });
    await run('tar', ['xzf', `sotto-${name}-0.1.0.tgz`, '--strip-components=1', '--directory', installed], {
      cwd: folder,
    });
  }
  for (const name of ['openapi-fetch', 'openapi-typescript-helpers', '@serenity-kit']) {
    await symlink(join(root, 'web/node_modules', name), join(modules, name));
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
}

test('each code block is in a tested language', () => {
  const languages = guide.split('\n').filter((line) => /^```./.test(line));
  expect(new Set(languages)).toEqual(new Set(['```ts', '```sh']));
});

test('the TypeScript examples compile and work', async ({ server }) => {
  // Packing and type-checking are slow on a busy machine.
  test.setTimeout(20 * 60_000);
  await install();
  const file = join(folder, 'guide.ts');
  await writeFile(file, program('ts'));

  const checked = ts.createProgram([file], { ...OPTIONS, noEmit: true });
  const wrong = ts.getPreEmitDiagnostics(checked).map((problem) => {
    const { line } = problem.file!.getLineAndCharacterOfPosition(problem.start!);
    return `docs/frontend.md:${line + 1}: ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`;
  });
  expect(wrong).toEqual([]);

  const compilerOptions = { ...OPTIONS, module: ts.ModuleKind.ES2022, inlineSourceMap: true };
  const { outputText } = ts.transpileModule(program('ts'), { compilerOptions, fileName: 'guide.ts' });
  await writeFile(join(folder, 'guide.js'), outputText);
  await run(process.execPath, ['--enable-source-maps', 'guide.js'], {
    cwd: folder,
    env: { PATH: process.env.PATH, SOTTO_URL: server.url },
    seconds: 180,
  });
});

test('the shell examples work', async ({ server }) => {
  await run('bash', ['--norc', '-euo', 'pipefail', '-c', program('sh')], {
    env: { PATH: process.env.PATH, SOTTO_URL: server.url },
    seconds: 180,
  });
});
