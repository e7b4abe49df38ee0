// Who came first: an order that does not depend on where one looks from.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseResource, type Resource } from '../resources/resource.ts'
import { byAge, winnersOf } from './conflicts.ts'
import { StatusBook } from './status.ts'

const policy = (name: string, namespace: string, created?: string): Resource => {
  const metadata = { name, namespace, ...(created === undefined ? {} : { creationTimestamp: created }) }
  const resource = parseResource({ apiVersion: 'smartflow.dev/v1alpha1', kind: 'Policy', metadata, spec: {} })
  if (Array.isArray(resource)) throw new Error('the policy is valid')
  return resource
}

const nameOf = (resource: Resource): string => resource.metadata.name

describe('two claims on one thing', () => {
  test('go to the older object, in whatever zone its time is written', () => {
    const objects = [policy('young', 'a', '2026-01-01T02:00:00+01:00'), policy('old', 'z', '2026-01-01T00:30:00Z')]
    expect(byAge(objects).map(nameOf)).toEqual(['old', 'young'])
  })

  test('go by namespace and name when the age is the same or there is none', () => {
    const objects = [policy('b', 'a'), policy('a', 'b'), policy('a', 'a')]
    expect(byAge(objects).map(each => JSON.stringify(each.metadata))).toEqual([
      '{"name":"a","namespace":"a"}',
      '{"name":"b","namespace":"a"}',
      '{"name":"a","namespace":"b"}',
    ])
  })

  test('have the same order whatever the order they are given in', () => {
    const stamps = fc.option(fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'), { nil: undefined })
    const some = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y'), stamps), { maxLength: 8 })
    fc.assert(
      fc.property(some, written => {
        const objects = written.map(([name, namespace, created]) => policy(name, namespace, created))
        expect(byAge([...objects].reverse())).toEqual(byAge(objects))
      }),
    )
  })

  test("leave the loser with the winner's name, and what is refused already without a claim", () => {
    const book = new StatusBook()
    const [refused, winner, loser] = [policy('a', 'a'), policy('b', 'a'), policy('c', 'a')]
    if (refused === undefined || winner === undefined || loser === undefined) throw new Error('there are three')
    book.reject(refused, 'Invalid', 'something else')
    const claim = { keyOf: () => 'one', what: () => 'the place' }
    expect(winnersOf([loser, refused, winner], claim, book)).toEqual([winner])
    expect(book.statuses([refused, winner, loser]).map(status => status.conditions[0])).toMatchObject([
      { status: 'False', reason: 'Invalid' },
      { status: 'True', reason: 'Accepted' },
      { status: 'False', reason: 'Conflicted', message: 'the place belongs to Policy a/b, which came first' },
    ])
  })
})
