// Each rule of hack/imports.json is seen to fire on a small tree that breaks it, and to stay silent on one that does not.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { checkImports } from './check-imports.ts'
import rules from './imports.json' with { type: 'json' }

const CORE_PACKAGE = JSON.stringify({
  name: '@smartflow/core',
  exports: { './*.json': './src/*.json', './*': './src/*.ts' },
})

/** What the project's own rules say of a tree with these files, one `path:line message` each. */
function check(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'check-imports-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  const all = { 'package.json': '{"workspaces": ["core"]}', 'core/package.json': CORE_PACKAGE, ...files }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return checkImports(root, rules).map(({ path, line, message }) => `${path}:${line} ${message}`)
}

const LEDGER = { 'dataplane/src/stores/ledger.ts': 'export const ledger = 1' }
const CORE = { 'core/src/money.ts': 'export type Money = number', 'core/src/prices.json': '{}' }

test('a tree that keeps every rule is silent', () => {
  const found = check({
    ...CORE,
    'dataplane/src/exchange/call.ts': "import type { Money } from '@smartflow/core/money'\nexport type Call = Money",
    'dataplane/src/ports/ledger.ts': "import type { Call } from '../exchange/call.ts'\nexport type Ledger = Call",
    'dataplane/src/stores/redis/ledger.ts':
      "import { Redis } from 'ioredis'\nimport type { Ledger } from '../../ports/ledger.ts'",
    'dataplane/src/stages/admit.ts': "import type { Ledger } from '../ports/ledger.ts'\nexport const admit = 1",
    'dataplane/src/pipeline.ts': "import { admit } from './stages/admit.ts'\nexport const pipeline = admit",
    'dataplane/src/main.ts': "import './pipeline.ts'\nimport './stores/redis/ledger.ts'\nprocess.env['PORT']",
  })
  expect(found).toEqual([])
})

test('a tree without any source file breaks the rule: a check that sees nothing must not pass', () => {
  expect(check({})).toEqual([expect.stringContaining('no source file was found')])
})

test.each([
  ['a static import', "import { ledger } from '../stores/ledger.ts'"],
  ['a type-only import', "import type { ledger } from '../stores/ledger.ts'"],
  ['a bare import', "import '../stores/ledger.ts'"],
  ['a dynamic import', "const ledger = await import('../stores/ledger.ts')"],
  ['a dynamic import by template', 'const ledger = await import(`../stores/ledger.ts`)'],
  ['an import type', "type Ledger = import('../stores/ledger.ts').Ledger"],
  ['a named re-export', "export { ledger } from '../stores/ledger.ts'"],
  ['a star re-export', "export * from '../stores/ledger.ts'"],
  ['require', "const ledger = require('../stores/ledger.ts')"],
  ['import = require', "import ledger = require('../stores/ledger.ts')"],
  ["a worker's URL", "new Worker(new URL('../stores/ledger.ts', import.meta.url))"],
])('a room may not reach its sibling by %s', (_, text) => {
  const found = check({ ...LEDGER, 'dataplane/src/stages/admit.ts': `\n${text}` })
  expect(found).toEqual([
    expect.stringMatching(/^dataplane\/src\/stages\/admit\.ts:2 imports dataplane\/src\/stores\/ledger\.ts: /),
  ])
})

const ROOMS =
  'stages policies llm mcp a2a manage stores server telemetry compliance embedding egress alerts archive demo'.split(
    ' ',
  )

test.each(ROOMS)('the room %s imports core, exchange, ports and itself, and no other', room => {
  const imports = ['exchange', 'ports', room, 'zoo'].map(name => `import '../${name}/x.ts'`)
  const found = check({
    ...CORE,
    [`dataplane/src/${room}/start.ts`]: ["import '@smartflow/core/money'", ...imports].join('\n'),
    [`dataplane/src/${room}/x.ts`]: '',
    'dataplane/src/exchange/x.ts': '',
    'dataplane/src/ports/x.ts': '',
    'dataplane/src/zoo/x.ts': '',
  })
  expect(found).toEqual([
    expect.stringMatching(new RegExp(`^dataplane/src/${room}/start\\.ts:5 imports dataplane/src/zoo/x\\.ts`)),
    expect.stringMatching(/^dataplane\/src\/zoo\/x\.ts:1 its folder has no row/),
  ])
})

test.each([
  ['exchange, ports', 'dataplane/src/exchange/a.ts', 'dataplane/src/ports/b.ts'],
  ['ports, stages', 'dataplane/src/ports/a.ts', 'dataplane/src/stages/b.ts'],
  ['pipeline.ts, stores', 'dataplane/src/pipeline.ts', 'dataplane/src/stores/b.ts'],
  ['pipeline.ts, main.ts', 'dataplane/src/pipeline.ts', 'dataplane/src/main.ts'],
  ['main.ts, the operator', 'dataplane/src/main.ts', 'operator/src/watch/b.ts'],
  ['core, dataplane', 'core/src/a.ts', 'dataplane/src/exchange/b.ts'],
  ['a test of core, dataplane', 'core/src/a.test.ts', 'dataplane/src/exchange/b.ts'],
  ['a test of dataplane, operator', 'dataplane/src/stages/a.test.ts', 'operator/src/watch/b.ts'],
  ['watch, apply', 'operator/src/watch/a.ts', 'operator/src/apply/b.ts'],
  ['desired, apply', 'operator/src/desired/a.ts', 'operator/src/apply/b.ts'],
  ['desired, api', 'operator/src/desired/a.ts', 'operator/src/api/b.ts'],
  ['api, watch', 'operator/src/api/a.ts', 'operator/src/watch/b.ts'],
  ['telemetry, control', 'operator/src/telemetry/a.ts', 'operator/src/control/b.ts'],
  ['apply, the inside of watch', 'operator/src/apply/a.ts', 'operator/src/watch/informer.ts'],
  ['operator, dataplane', 'operator/src/main.ts', 'dataplane/src/exchange/b.ts'],
  ['hack, dataplane', 'hack/a.ts', 'dataplane/src/exchange/b.ts'],
])('not allowed: %s', (_, from, to) => {
  const depth = '../'.repeat(from.split('/').length - 1)
  expect(check({ [to]: '', [from]: `import '${depth}${to}'` })).toEqual([expect.stringContaining(`imports ${to}`)])
})

test.each([
  ['desired, the world', 'operator/src/desired/a.ts', 'operator/src/watch/pods.ts'],
  ['main.ts, any room', 'dataplane/src/main.ts', 'dataplane/src/stores/b.ts'],
  ['a room test, another room', 'dataplane/src/stages/a.test.ts', 'dataplane/src/stores/b.ts'],
  ['an end-to-end test, anything', 'test/a.test.ts', 'hack/b.ts'],
  ['bench, anything', 'bench/a.ts', 'dataplane/src/main.ts'],
])('allowed: %s', (_, from, to) => {
  const depth = '../'.repeat(from.split('/').length - 1)
  expect(check({ [to]: '', [from]: `import '${depth}${to}'` })).toEqual([])
})

test.each(['dataplane/src/newroom/a.ts', 'operator/src/newroom/a.ts', 'newfolder/a.ts', 'newfolder/src/deep/a.mjs'])(
  'a new folder must be given a row: %s',
  path => {
    expect(check({ [path]: '' })).toEqual([expect.stringMatching(`^${path}:1 its folder has no row`)])
  },
)

test("core's package name leads into core by its exports", () => {
  const imports = ['money', 'prices.json', 'nowhere'].map(name => `import '@smartflow/core/${name}'`).join('\n')
  const found = check({ ...CORE, 'dataplane/src/exchange/call.ts': imports, 'hack/a.ts': imports })
  expect(found).toEqual([
    expect.stringMatching(
      /^dataplane\/src\/exchange\/call\.ts:3 imports core\/src\/nowhere\.ts: there is no such file/,
    ),
    expect.stringMatching(/^hack\/a\.ts:3 imports core\/src\/nowhere\.ts: there is no such file/),
  ])
})

test.each([
  ['a file that is not there', "import './gone.ts'", 'imports core/src/gone.ts: there is no such file'],
  ['an absolute path', "import '/etc/x.ts'", 'imports /etc/x.ts: an absolute path'],
  ['a computed name', 'const name = 1\nawait import(name)', 'imports a computed name: write the name out'],
  ['a file that cannot be parsed', 'const = 1', 'cannot be parsed'],
  ['a way out of the repository', "import '../../../package.json'", 'imports ../package.json'],
])('nothing escapes the rule by %s', (_, text, message) => {
  expect(check({ 'core/src/a.ts': text })).toEqual([expect.stringContaining(message)])
})

test.each([
  ['ioredis', 'dataplane/src/stages/a.ts', 'dataplane/src/stores/redis/a.ts'],
  ['pg', 'dataplane/src/main.ts', 'dataplane/src/stores/postgres/a.ts'],
  ['mongodb', 'operator/src/watch/a.ts', 'operator/src/apply/a.ts'],
  ['@kubernetes/client-node', 'operator/src/watch/a.ts', 'operator/src/api/a.ts'],
  ['@kubernetes/client-node', 'dataplane/src/stores/a.ts', 'operator/src/api/a.ts'],
  ['undici', 'operator/src/apply/a.ts', 'operator/src/api/a.ts'],
  ['node:http', 'operator/src/api/a.ts', 'operator/src/telemetry/a.ts'],
  ['node:http', 'dataplane/src/manage/a.ts', 'dataplane/src/server/a.ts'],
  ['http', 'dataplane/src/telemetry/a.ts', 'dataplane/src/egress/a.test.ts'],
  ['undici', 'dataplane/src/llm/a.ts', 'dataplane/src/egress/a.ts'],
  ['lru-cache', 'core/src/a.ts', 'dataplane/src/stages/a.ts'],
  ['vitest', 'core/src/a.ts', 'core/src/a.test.ts'],
  ['vitest', 'core/src/a.ts', 'core/src/a.contract.ts'],
  ['undici', 'core/src/a.test.ts', 'test/a.test.ts'],
])('the package %s is not for %s but for %s', (name, not, but) => {
  const text = `import type { X } from '${name}/deep'`.replace('http/deep', 'http')
  const found = check({ [not]: text, [but]: text })
  expect(new Set(found.map(line => line.split(' ')[0]))).toEqual(new Set([`${not}:1`]))
  expect(found[0]).toContain(`imports ${name === 'http' ? 'node:http' : name}`)
})

test.each(['zod', 'yaml', 'node:fs', 'crypto'])('core may use %s', name => {
  expect(check({ 'core/src/a.ts': `import '${name}'` })).toEqual([])
})

test.each([
  'process.env.PORT',
  "process.env['PORT']",
  "process['env']",
  'globalThis.process.env',
  'const { env } = process',
  'const { pid, ...rest } = process',
  "import { env } from 'node:process'",
  "import { env as environment } from 'process'",
])('only main.ts and tooling read the environment: %s', text => {
  const found = check({
    'dataplane/src/settings.ts': text,
    'dataplane/src/main.ts': text,
    'operator/src/main.ts': text,
    'core/src/a.test.ts': text,
    'hack/a.ts': text,
    'bench/a.ts': text,
    'test/a.ts': text,
  })
  expect(found).toEqual([expect.stringMatching(/^dataplane\/src\/settings\.ts:1 reads process\.env/)])
})

test.each(['process.pid', 'const { pid } = process', 'settings.env', "import { pid } from 'node:process'"])(
  'this does not read the environment: %s',
  text => {
    expect(check({ 'dataplane/src/settings.ts': text })).toEqual([])
  },
)

test.each(["'openai'", '"Anthropic"', '`gemini`', "{ openai: 1, kind: 'ollama' }", "'newcomer'"])(
  "only llm/ writes a provider's name: %s",
  text => {
    const found = check({
      'core/src/providers.json': '[{ "name": "openai" }, { "name": "newcomer" }, { "name": "local" }]',
      'dataplane/src/stages/route.ts': `const name = ${text}`,
      'dataplane/src/stages/route.test.ts': `const name = ${text}`,
      'dataplane/src/llm/providers.ts': `const name = ${text}`,
      'test/a.ts': `const name = ${text}`,
    })
    expect(found).toEqual([expect.stringMatching(/^dataplane\/src\/stages\/route\.ts:1 writes the provider name/)])
  },
)

test.each(["'openai-chat'", "'Local'", "'talk to openai'", 'openai', '`openai${1}`'])(
  "text that only holds a provider's name, or is a word of its own, is fine: %s",
  text => {
    const files = {
      'core/src/providers.json': '[{ "name": "local" }]',
      'dataplane/src/stages/route.ts': `const name = ${text}`,
    }
    expect(check(files)).toEqual([])
  },
)

test('files that import one another in a ring are found, by type-only imports too, and each ring is told once', () => {
  const found = check({
    'core/src/a.ts': "import './b.ts'",
    'core/src/b.ts': "import type { C } from './c.ts'",
    'core/src/c.ts': "import './a.ts'\nimport './d.ts'",
    'core/src/d.ts': "export * from './d.ts'",
    'core/src/e.ts': "import './a.ts'",
  })
  expect(found).toEqual([
    'core/src/a.ts:1 imports itself in a ring: core/src/a.ts -> core/src/b.ts -> core/src/c.ts -> core/src/a.ts',
    'core/src/d.ts:1 imports itself in a ring: core/src/d.ts -> core/src/d.ts',
  ])
})

test('dependencies and hidden folders are not read', () => {
  const found = check({ 'core/src/a.ts': '', 'node_modules/x/a.ts': "import './gone.ts'", '.cache/a.ts': 'const = 1' })
  expect(found).toEqual([])
})
