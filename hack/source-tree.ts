// Reads every source file of the repository into what the import rule asks about: what it imports and where that
// resolves to, its string literals, and where it reads the environment.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, posix } from 'node:path'
import { type Node, parseSync, Visitor, type VisitorObject } from 'oxc-parser'

/** Where an import leads: a file of this repository, a package or Node module (`node:` always spelled out), or nowhere. */
export type Target = { kind: 'file' | 'package'; name: string } | { kind: 'unknown'; name: string; why: string }

/** One import of a file, whether static, type-only, dynamic, re-exported or required. `line` counts from 1. */
export type Import = { line: number; target: Target }

/** One source file; `path` is relative to the repository, with forward slashes. */
export type SourceFile = {
  path: string
  imports: Import[]
  strings: { line: number; value: string }[]
  environmentReads: { line: number }[]
  parseError: string | undefined
}

const SOURCE = /\.[cm]?[jt]s$/
const SKIPPED = /^(\.|node_modules$|results$)/

/** Reads all source files below `root`, sorted by path. Throws when a folder or a package.json cannot be read. */
export function readSourceTree(root: string): SourceFile[] {
  const resolve = resolver(root)
  return [...sourcePaths(root, '')].sort().map(path => readSourceFile(root, path, resolve))
}

function* sourcePaths(root: string, folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name)
    if (SKIPPED.test(entry.name)) continue
    if (entry.isDirectory()) yield* sourcePaths(root, path)
    else if (entry.isFile() && SOURCE.test(entry.name) && !entry.name.endsWith('.d.ts')) yield path
  }
}

/* ------------------------------------------------------------ one file */

type Resolve = (from: string, specifier: string) => Target
type Imported = (node: Node, source: Node | undefined) => void

function readSourceFile(root: string, path: string, resolve: Resolve): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const { program, errors } = parseSync(path, text)
  const lineOf = lineCounter(text)
  const file: SourceFile = { path, imports: [], strings: [], environmentReads: [], parseError: errors[0]?.message }
  const imported: Imported = (node, source) => {
    const specifier = literalText(source)
    file.imports.push({
      line: lineOf(node.start),
      target: specifier === undefined ? COMPUTED : resolve(path, specifier),
    })
  }
  const environment = (node: Node): void => void file.environmentReads.push({ line: lineOf(node.start) })
  const literal = (node: Node): void => {
    const value = literalText(node)
    if (value !== undefined) file.strings.push({ line: lineOf(node.start), value })
  }
  new Visitor({
    ...importVisitor(imported),
    ...environmentVisitor(environment),
    Literal: literal,
    TemplateLiteral: literal,
  }).visit(program)
  return file
}

/** What import() of anything but a string leads to: nobody can follow it. */
const COMPUTED: Target = { kind: 'unknown', name: 'a computed name', why: 'write the name out as a string' }

function importVisitor(imported: Imported): VisitorObject {
  return {
    ImportDeclaration: node => imported(node, node.source),
    ExportNamedDeclaration: node => {
      if (node.source) imported(node, node.source)
    },
    ExportAllDeclaration: node => imported(node, node.source),
    ImportExpression: node => imported(node, node.source),
    TSImportType: node => imported(node, node.source),
    TSExternalModuleReference: node => imported(node, node.expression),
    CallExpression: node => {
      if (nameOf(node.callee) === 'require') imported(node, node.arguments[0])
    },
    // A worker's file is named by a URL beside the file that starts it.
    NewExpression: node => {
      const [path, base] = node.arguments
      if (nameOf(node.callee) !== 'URL' || base?.type !== 'MemberExpression') return
      if (base.object.type === 'MetaProperty' && SOURCE.test(literalText(path) ?? '')) imported(node, path)
    },
  }
}

function environmentVisitor(environment: (node: Node) => void): VisitorObject {
  return {
    MemberExpression: node => {
      if (isProcess(node.object) && nameOf(node.property) === 'env') environment(node)
    },
    VariableDeclarator: node => {
      if (node.id.type !== 'ObjectPattern' || !isProcess(node.init)) return
      if (node.id.properties.some(p => p.type === 'RestElement' || nameOf(p.key) === 'env')) environment(node)
    },
    'ImportDeclaration:exit': node => {
      const names = node.specifiers.map(s => (s.type === 'ImportSpecifier' ? nameOf(s.imported) : undefined))
      if (/^(node:)?process$/.test(node.source.value) && names.includes('env')) environment(node)
    },
  }
}

/** `process`, or a member of that name such as `globalThis.process`. */
function isProcess(node: Node | null): boolean {
  return nameOf(node?.type === 'MemberExpression' ? node.property : node) === 'process'
}

/** An identifier's name, or a string's text: `a.env` and `a['env']` both say `env`. */
function nameOf(node: Node | null | undefined): string | undefined {
  return node?.type === 'Identifier' ? node.name : literalText(node)
}

/** The text of a string literal, or of a template without expressions. */
function literalText(node: Node | null | undefined): string | undefined {
  if (node?.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined
  if (node?.type === 'TemplateLiteral' && node.quasis.length === 1) return node.quasis[0]?.value.cooked ?? undefined
  return undefined
}

function lineCounter(text: string): (offset: number) => number {
  const ends: number[] = []
  for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) ends.push(i)
  return offset => {
    const line = ends.findIndex(end => end >= offset)
    return (line === -1 ? ends.length : line) + 1
  }
}

/* --------------------------------------------------------- resolution */

type Workspace = { name: string; folder: string; exports: [pattern: string, target: string][] }

function resolver(root: string): Resolve {
  const workspaces = readWorkspaces(root)
  return (from, specifier) => {
    if (specifier.startsWith('.')) return fileTarget(root, posix.join(posix.dirname(from), specifier))
    if (specifier.startsWith('/')) return { kind: 'unknown', name: specifier, why: 'an absolute path is not portable' }
    const workspace = workspaces.find(w => specifier === w.name || specifier.startsWith(`${w.name}/`))
    if (workspace) return workspaceTarget(root, workspace, specifier)
    if (isBuiltin(specifier)) return { kind: 'package', name: `node:${specifier.replace(/^node:/, '')}` }
    const parts = specifier.split('/')
    return { kind: 'package', name: parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/') }
  }
}

function fileTarget(root: string, path: string): Target {
  if (existsSync(join(root, path))) return { kind: 'file', name: path }
  return {
    kind: 'unknown',
    name: path,
    why: 'there is no such file (an import names its file in full, ending included)',
  }
}

/** Follows a package's `exports` as Node does: the exact key, else the pattern with the longest part before its star. */
function workspaceTarget(root: string, workspace: Workspace, specifier: string): Target {
  const subpath = `.${specifier.slice(workspace.name.length)}`
  for (const [pattern, target] of workspace.exports) {
    const [before = '', after] = pattern.split('*')
    if (after === undefined && subpath === pattern) return fileTarget(root, posix.join(workspace.folder, target))
    if (after === undefined || !subpath.startsWith(before) || !subpath.endsWith(after)) continue
    const star = subpath.slice(before.length, subpath.length - after.length)
    return fileTarget(root, posix.join(workspace.folder, target.replaceAll('*', star)))
  }
  return { kind: 'unknown', name: specifier, why: `the exports of ${workspace.folder}/package.json do not name it` }
}

function readWorkspaces(root: string): Workspace[] {
  const folders = readJson(join(root, 'package.json'))['workspaces']
  if (!Array.isArray(folders)) return []
  return folders
    .filter(folder => typeof folder === 'string' && existsSync(join(root, folder, 'package.json')))
    .map((folder: string) => {
      const { name, exports } = readJson(join(root, folder, 'package.json'))
      const entries = Object.entries(isRecord(exports) ? exports : {}).map(([key, to]): [string, string] => [
        key,
        String(to),
      ])
      return { name: String(name), folder, exports: entries.sort(([a], [b]) => exportRank(b) - exportRank(a)) }
    })
}

const exportRank = (key: string): number => (key.includes('*') ? key.indexOf('*') * 1000 + key.length : Infinity)

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

function readJson(path: string): Record<string, unknown> {
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  return isRecord(value) ? value : {}
}
