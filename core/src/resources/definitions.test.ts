// How the kinds present themselves to Kubernetes.
import { describe, expect, test } from 'vitest'
import { type Column, DEFINITIONS } from './definitions.ts'
import { KINDS } from './resource.ts'
import { z } from 'zod'

const definitions = Object.entries(DEFINITIONS)

/** What a path of a column reaches in a kind's spec or status. */
function reaches(kind: string, path: string): boolean {
  const [top, ...rest] = path.slice(1).split(/\.(?![^[]*\])/)
  if (top === 'metadata') return true
  const definition = definitions.find(([name]) => name === kind)?.[1]
  const schema: unknown =
    top === 'status' ? definition?.status : Object.entries(KINDS).find(([name]) => name === kind)?.[1].shape.spec
  let at = bare(schema)
  for (const part of rest) {
    const name = part.split('[')[0] ?? ''
    if (!(at instanceof z.ZodObject) || !(name in at.shape)) return false
    at = bare(at.shape[name])
    if (part.includes('[')) at = at instanceof z.ZodArray ? bare(at.element) : undefined
  }
  return at !== undefined
}

function bare(schema: unknown): unknown {
  let at = schema
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault) at = at.unwrap()
  return at
}

describe('a kind', () => {
  test('has names that no other has', () => {
    const names = definitions.flatMap(([, { plural, singular, shortNames }]) => [plural, singular, ...shortNames])
    expect(new Set(names).size).toBe(names.length)
    expect(names).not.toContain('aigw')
  })

  test('is cluster-scoped when its objects have no namespace', () => {
    const cluster = definitions.filter(([, { scope }]) => scope === 'Cluster').map(([kind]) => kind)
    expect(cluster).toEqual(['AITenant'])
  })

  test.each(definitions)('%s has columns and selectable fields that lead somewhere', (kind, definition) => {
    const columns: readonly Column[] = definition.columns
    const paths = [...columns.map(column => column.jsonPath), ...definition.selectableFields]
    expect(paths.filter(path => !reaches(kind, path))).toEqual([])
    const names = columns.map(column => column.name)
    expect(names).toContain('Ready')
    expect(names.at(-1)).toBe('Age')
  })

  test.each(definitions)('%s has a status that begins with -1, and conditions', (_kind, { status }) => {
    expect(status.parse({})).toEqual({ observedGeneration: -1 })
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: 'Ready',
      message: '',
      observedGeneration: 2,
      lastTransitionTime: '2027-01-01T00:00:00Z',
    }
    const config = { epoch: 1, generation: 3, digest: 'x' }
    expect(status.safeParse({ observedGeneration: 2, conditions: [condition], config }).success).toBe(true)
    expect(status.safeParse({ conditions: [condition, condition] }).success).toBe(false)
    expect(
      status.safeParse({ conditions: Array.from({ length: 13 }, (_, at) => ({ ...condition, type: `T${at}` })) })
        .success,
    ).toBe(false)
  })
})
