// Checks the import rule of hack/imports.json: which folder may import which, which folder may use which package, who
// may read the environment, who may write a provider's name, and that no files import one another in a ring.
// Run it as `node hack/check-imports.ts`; it exits 1 when something breaks the rule.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { findCycles } from './import-cycles.ts'
import importRules from './imports.json' with { type: 'json' }
import { readSourceTree, type SourceFile } from './source-tree.ts'

/** The shape of hack/imports.json. Texts in `from`, `mayImport`, `packages`, `onlyIn` and `folder` are regular expressions. */
export type ImportRules = {
  /** The first row whose `from` fits a file says what that file may import; a file without a row breaks the rule. */
  folders: { from: string; mayImport: string[] }[]
  /** Packages and Node modules that few places may use. */
  packages: { packages: string; onlyIn: string[]; instead: string }[]
  /** Folders that may use few packages. */
  closed: { folder: string; mayImport: string[] }[]
  /** Who may read `process.env`. */
  environment: { onlyIn: string[] }
  /**
   * Who may write a provider's name as a string: `names`, and the `name` of each row in the JSON file `alsoFrom` when it
   * is there, but for those that are words with meanings of their own.
   */
  providers: { names: string[]; alsoFrom: string; ordinaryWords: string[]; onlyIn: string[] }
}

/** What breaks the rule, and where; `message` says what to do about it. */
export type Violation = { path: string; line: number; message: string }

/** Everything below `root` that breaks the rules. Throws when the tree or a package.json in it cannot be read. */
export function checkImports(root: string, rules: ImportRules): Violation[] {
  const files = readSourceTree(root)
  if (files.length === 0) return [{ path: '.', line: 0, message: `no source file was found below ${root}` }]
  const providers = providerNames(root, rules)
  return [
    ...files.flatMap(file => [
      ...unreadable(file),
      ...brokenFolders(file, rules),
      ...brokenPackages(file, rules),
      ...brokenEnvironment(file, rules),
      ...brokenProviders(file, rules, providers),
    ]),
    ...cycles(files),
  ]
}

const fits = (patterns: string[], text: string): boolean => patterns.some(pattern => new RegExp(pattern).test(text))

function unreadable({ path, parseError }: SourceFile): Violation[] {
  return parseError === undefined ? [] : [{ path, line: 1, message: `cannot be parsed, so not checked: ${parseError}` }]
}

function brokenFolders({ path, imports }: SourceFile, rules: ImportRules): Violation[] {
  const row = rules.folders.find(({ from }) => new RegExp(from).test(path))
  if (!row)
    return [
      { path, line: 1, message: 'its folder has no row in hack/imports.json: add one that says what it may import' },
    ]
  return imports.flatMap(({ line, target }) => {
    const allowed = target.kind === 'unknown' ? row.mayImport.includes(ANYTHING) : fits(row.mayImport, target.name)
    if (target.kind === 'package' || allowed) return []
    const reason = target.kind === 'unknown' ? target.why : `${row.from} may import only ${row.mayImport.join(', ')}`
    return [{ path, line, message: `imports ${target.name}: ${reason}` }]
  })
}

/** Whoever may import this may also import what cannot be followed, such as a name put together at run time. */
const ANYTHING = '.'

function brokenPackages({ path, imports }: SourceFile, rules: ImportRules): Violation[] {
  const closed = rules.closed.filter(({ folder }) => new RegExp(folder).test(path))
  return imports.flatMap(({ line, target: { kind, name } }) => {
    if (kind !== 'package') return []
    const kept = rules.packages.filter(rule => new RegExp(rule.packages).test(name) && !fits(rule.onlyIn, path))
    const shut = closed.filter(rule => !fits(rule.mayImport, name))
    return [
      ...kept.map(({ onlyIn, instead }) => `imports ${name}, which only ${onlyIn.join(', ')} may: ${instead}`),
      ...shut.map(({ folder, mayImport }) => `imports ${name}: ${folder} may use only ${mayImport.join(', ')}`),
    ].map(message => ({ path, line, message }))
  })
}

function brokenEnvironment({ path, environmentReads }: SourceFile, { environment }: ImportRules): Violation[] {
  if (fits(environment.onlyIn, path)) return []
  const message = `reads process.env, which only ${environment.onlyIn.join(', ')} may: take the value as a setting`
  return environmentReads.map(({ line }) => ({ path, line, message }))
}

function brokenProviders({ path, strings }: SourceFile, { providers }: ImportRules, names: Set<string>): Violation[] {
  if (fits(providers.onlyIn, path)) return []
  return strings
    .filter(({ value }) => names.has(value.toLowerCase()))
    .map(({ line, value }) => {
      const message = `writes the provider name '${value}': only ${providers.onlyIn.join(', ')} may; read it from ${providers.alsoFrom}`
      return { path, line, message }
    })
}

/** Provider names, in lower case. */
function providerNames(root: string, { providers }: ImportRules): Set<string> {
  const path = join(root, providers.alsoFrom)
  const rows = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { name: string }[]) : []
  const names = new Set([...providers.names, ...rows.map(row => row.name)].map(name => name.toLowerCase()))
  return names.difference(new Set(providers.ordinaryWords))
}

function cycles(files: SourceFile[]): Violation[] {
  const edges = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.flatMap(({ target }) => (target.kind === 'file' ? [target.name] : [])),
    ]),
  )
  return findCycles(edges).map(cycle => {
    const path = cycle[0] ?? '.'
    return { path, line: 1, message: `imports itself in a ring: ${[...cycle, path].join(' -> ')}` }
  })
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..')
  const violations = checkImports(root, importRules)
  for (const { path, line, message } of violations) console.error(`${path}:${line} ${message}`)
  console.log(
    violations.length === 0 ? 'imports: every file keeps the rule' : `imports: ${violations.length} broken rules`,
  )
  process.exitCode = violations.length === 0 ? 0 : 1
}
