// What the folder refuses and accepts. test/operator/bad-objects.test.ts asks a real API server about the same specs.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { laterFieldsOf } from '../resources/later-fields.ts'
import { type Kind, KINDS, parseResource } from '../resources/resource.ts'
import { customResourceDefinition } from './crd.ts'

const Case = z.strictObject({
  kind: z.enum(['AIGateway', 'AITenant', 'AIProvider', 'VirtualKey', 'FallbackChain', 'Policy', 'McpServer', 'Agent']),
  spec: z.record(z.string(), z.unknown()),
  field: z.string().optional(),
  says: z.string().optional(),
  only: z.literal('cluster').optional(),
})

function cases(file: string): z.infer<typeof Case>[] {
  return z.array(Case).parse(parse(readFileSync(new URL(`testdata/${file}.yaml`, import.meta.url), 'utf8')))
}

function check(kind: Kind, spec: object) {
  return parseResource({ apiVersion: 'smartflow.dev/v1alpha1', kind, metadata: { name: 'some' }, spec })
}

const definitions = new Map(
  ['AIGateway', 'AITenant', 'AIProvider', 'VirtualKey', 'FallbackChain', 'Policy', 'McpServer', 'Agent'].flatMap(kind =>
    kind in KINDS ? [[kind, JSON.stringify(customResourceDefinition(Case.shape.kind.parse(kind)))] as const] : [],
  ),
)

describe('refused', () => {
  test.each(cases('refused').filter(each => each.only === undefined))(
    '$kind $spec for $field',
    ({ kind, spec, field, says }) => {
      const result = check(kind, spec)
      const messages = Array.isArray(result) ? result.map(problem => problem.message) : []
      expect(messages).toContainEqual(expect.stringMatching(startsWith(field ?? '')))
      if (says !== undefined) expect(messages.join('\n')).toContain(says)
    },
  )

  test.each(cases('refused').filter(each => each.says !== undefined))(
    '$kind in the words of the definition: $says',
    ({ kind, says = '' }) => {
      expect(definitions.get(kind)).toContain(says)
    },
  )

  test('in clusters alone is what a folder may have', () => {
    const alone = cases('refused').filter(each => each.only === 'cluster')
    expect(alone.map(each => check(each.kind, each.spec)).filter(result => Array.isArray(result))).toEqual([])
  })
})

describe('accepted', () => {
  test.each(cases('accepted'))('$kind $spec', ({ kind, spec }) => {
    const result = check(kind, spec)
    expect(Array.isArray(result) ? result : []).toEqual([])
    expect(Array.isArray(result) ? undefined : laterFieldsOf(result)).toBeInstanceOf(Array)
  })

  test('are all kinds, each with all its fields once', () => {
    for (const kind of Case.shape.kind.options) {
      const specs = cases('accepted').filter(each => each.kind === kind)
      const fields = new Set(specs.flatMap(each => Object.keys(each.spec)))
      expect([kind, [...fields].sort()]).toEqual([kind, fieldsOf(kind)])
    }
  })
})

function fieldsOf(kind: Kind): string[] {
  const schema: unknown = KINDS[kind].shape.spec
  const object = schema instanceof z.ZodPrefault ? schema.unwrap() : schema
  return object instanceof z.ZodObject ? Object.keys(object.shape).sort() : []
}

function startsWith(field: string): RegExp {
  return new RegExp(`^${field.replaceAll(/[.[\]]/g, String.raw`\$&`)}`)
}
