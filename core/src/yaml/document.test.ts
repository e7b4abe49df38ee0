// Problems of a file say where they are, which object and field it is, and what to do.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readDocuments } from './document.ts'

const KEY = `apiVersion: smartflow.dev/v1alpha1
kind: VirtualKey
metadata:
  name: app
  namespace: payments
spec:
  alias: app
`

describe('a file', () => {
  test('gives an object a document, with defaults filled in', () => {
    const { resources, problems } = readDocuments(
      'a.yaml',
      `# a comment\n---\n${KEY}---\n${KEY.replace('name: app', 'name: b')}...\n`,
    )
    expect(problems).toEqual([])
    expect(resources).toMatchObject([
      { kind: 'VirtualKey', metadata: { name: 'app' }, spec: { role: 'InternalUser', suspend: false } },
      { kind: 'VirtualKey', metadata: { name: 'b' } },
    ])
  })

  test('of comments alone gives nothing, and no problem', () => {
    expect(readDocuments('a.yaml', '# nothing here\n---\n# nor here\n')).toEqual({ resources: [], problems: [] })
  })

  test('keeps its good documents beside a bad one', () => {
    const { resources, problems } = readDocuments(
      'a.yaml',
      `${KEY}---\nkind: [\n---\n${KEY.replace('name: app', 'name: b')}`,
    )
    expect(resources.map(each => each.metadata.name)).toEqual(['app', 'b'])
    expect(problems[0]).toMatchObject({ file: 'a.yaml', field: undefined })
  })

  test('never throws, whatever it holds', () => {
    fc.assert(fc.property(fc.string(), text => Array.isArray(readDocuments('a.yaml', text).problems)))
    const pieces = fc.array(
      fc.constantFrom('a: ', '- ', '&x ', '*x', '\n', '  ', '[', ']', '{', '}', '---\n', '!!int ', '"', '<<: '),
    )
    fc.assert(fc.property(pieces, some => Array.isArray(readDocuments('a.yaml', some.join('')).problems)))
  })

  test('does not let aliases grow without bound', () => {
    const levels = Array.from({ length: 12 }, (_, at) => `l${at + 1}: &l${at + 1} [*l${at},*l${at},*l${at},*l${at}]`)
    const { problems } = readDocuments('a.yaml', `l0: &l0 [x]\n${levels.join('\n')}\n`)
    expect(problems).toHaveLength(1)
  })
})

describe('a problem', () => {
  const problemsOf = (text: string) => readDocuments('keys/app.yaml', text).problems

  test('of an unknown field stands at the field and proposes the one that was meant', () => {
    expect(problemsOf(`${KEY}  budgets:\n    amountUSD: '5'\n`)).toEqual([
      {
        file: 'keys/app.yaml',
        line: 8,
        column: 3,
        field: 'spec.budgets',
        reason: 'Invalid',
        message: 'VirtualKey payments/app: spec.budgets is no field of VirtualKey; did you mean budget?',
      },
    ])
  })

  test('of a value stands at its key, in a list at the entry', () => {
    expect(problemsOf(`${KEY}  budget: { amountUSD: 5, period: Daily }\n`)).toMatchObject([
      { line: 8, column: 13, field: 'spec.budget.amountUSD' },
    ])
    expect(problemsOf(`${KEY}  models:\n    - gpt-4o\n    - "*-mini"\n`)).toMatchObject([
      { line: 10, column: 7, field: 'spec.models[1]' },
    ])
  })

  test('of a missing field stands at the nearest thing around it', () => {
    expect(problemsOf(KEY.replace('  alias: app\n', '  suspend: true\n'))).toMatchObject([
      {
        line: 6,
        column: 1,
        field: 'spec.alias',
        message: 'VirtualKey payments/app: spec.alias is missing; it must be text',
      },
    ])
  })

  test('of a later document counts lines from the top of the file', () => {
    expect(problemsOf(`${KEY}---\n${KEY}  role: Boss\n`)).toMatchObject([{ line: 16, column: 3, field: 'spec.role' }])
  })

  test('is not what this release does not serve yet: compiling tells that', () => {
    const { resources, problems } = readDocuments('a.yaml', `${KEY}  mcpServers: [tools]\n`)
    expect(problems).toEqual([])
    expect(resources).toMatchObject([{ spec: { mcpServers: ['tools'] } }])
  })

  test('of a key that stands twice is found', () => {
    expect(problemsOf(`${KEY}  alias: other\n`)).toMatchObject([{ line: 8 }])
  })

  test('of an object of another system names the kinds that are read', () => {
    expect(problemsOf('apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\n')).toMatchObject([
      { line: 1, field: 'apiVersion', reason: 'UnsupportedValue' },
    ])
  })
})
