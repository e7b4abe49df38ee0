// The text of one file → resources and problems, each problem with its line and column.
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseAllDocuments } from 'yaml'
import { type FieldPath, pathText, type Problem } from '../resources/problem.ts'
import { describeResource, parseResource, type Resource } from '../resources/resource.ts'

/** A problem of a file as its author looks for it. Lines and columns begin at 1. */
export interface FileProblem {
  /** Relative to the folder, with forward slashes. */
  readonly file: string
  readonly line: number
  readonly column: number
  /** The field at fault, like `spec.targets[0].name`; undefined when the file as a whole is. */
  readonly field: string | undefined
  readonly reason: Problem['reason']
  /** Which object, what is wrong, what to do. */
  readonly message: string
}

/** One file's content. When `problems` is not empty, `resources` are those of its documents that are in order. */
export interface FileContent {
  readonly resources: readonly Resource[]
  readonly problems: readonly FileProblem[]
}

interface Source {
  readonly file: string
  readonly lines: LineCounter
}

/** Reads every document of a file. Never throws. */
export function readDocuments(file: string, text: string): FileContent {
  const lines = new LineCounter()
  const source = { file, lines }
  const resources: Resource[] = []
  const problems: FileProblem[] = []
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })
  for (const document of 'empty' in parsed ? [] : parsed) {
    const content = readDocument(document, source)
    if (Array.isArray(content)) problems.push(...content)
    else if (content !== undefined) resources.push(content)
  }
  return { resources, problems }
}

/** The document's object, what is wrong with it, or undefined when it is empty or only comments. */
function readDocument(document: Document.Parsed, source: Source): Resource | FileProblem[] | undefined {
  const broken = document.errors.map(error => syntaxProblem(source, error.pos[0], error.message))
  if (broken.length > 0) return broken
  if (document.contents === null) return undefined
  const value = valueOf(document)
  if ('error' in value) return [syntaxProblem(source, document.range[0], value.error)]
  if (value.value === null) return undefined
  const resource = parseResource(value.value)
  if (!Array.isArray(resource)) return resource
  const name = nameOf(document)
  return resource.map(problem => located(problem, document, { ...source, name }))
}

function valueOf(document: Document.Parsed): { value: unknown } | { error: string } {
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

function syntaxProblem({ file, lines }: Source, offset: number, message: string): FileProblem {
  const { line, col } = lines.linePos(offset)
  return { file, line, column: col, field: undefined, reason: 'Invalid', message: `this is not YAML: ${message}` }
}

function located(problem: Problem, document: Document.Parsed, at: Source & { name: string }): FileProblem {
  const { line, col } = at.lines.linePos(offsetOf(document, problem.path))
  return {
    file: at.file,
    line,
    column: col,
    field: pathText(problem.path),
    reason: problem.reason,
    message: `${at.name}: ${problem.message}`,
  }
}

/** Where a field stands: at its key; for a field that is missing, at the nearest thing around it. */
function offsetOf(document: Document.Parsed, path: FieldPath): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true)
    const offset = keyOffset(parent, path[length - 1]) ?? nodeOffset(document.getIn(path.slice(0, length), true))
    if (offset !== undefined) return offset
  }
  return nodeOffset(document.contents) ?? document.range[0]
}

function keyOffset(parent: unknown, key: string | number | undefined): number | undefined {
  if (!isMap(parent)) return undefined
  const pair = parent.items.find(item => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key))
  return nodeOffset(pair?.key)
}

function nodeOffset(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

/** What the object calls itself, as far as it can be read. */
function nameOf(document: Document.Parsed): string {
  const text = (...path: string[]): string => {
    const value = document.getIn(path)
    return typeof value === 'string' ? value : ''
  }
  const namespace = text('metadata', 'namespace')
  const name = text('metadata', 'name') || '(no name)'
  return `${text('kind') || 'object'} ${namespace === '' ? '' : `${namespace}/`}${name}`
}

/** A problem with an object that is declared in two places. */
export function duplicateProblem(file: string, resource: Resource, first: string): FileProblem {
  const what = describeResource(resource)
  const message = `${what} is declared in ${first} too, and that one counts; remove one of the two`
  return { file, line: 1, column: 1, field: 'metadata.name', reason: 'Invalid', message }
}
