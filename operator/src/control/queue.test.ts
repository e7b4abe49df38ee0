import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TestClock } from '../../../test/operator/test-clock.ts'
import { waitFor } from '../../../test/wait-for.ts'
import { WorkQueue } from './queue.ts'

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function newQueue(clock = new TestClock()): { queue: WorkQueue<string>; clock: TestClock; errors: string[] } {
  const errors: string[] = []
  const onError = (key: string, error: unknown, failures: number): void =>
    void errors.push(`${key} ${failures} ${error instanceof Error ? error.message : ''}`)
  return { queue: new WorkQueue<string>({ clock, random: () => 1, onError }), clock, errors }
}

describe('the work queue', () => {
  it('takes a key once, however often it is added while it waits', async () => {
    const { queue } = newQueue()
    const seen: string[] = []
    for (const key of ['a', 'b', 'a', 'a']) queue.add(key)
    void queue.run(1, async key => void seen.push(key))
    await waitFor(() => expect(seen).toEqual(['a', 'b']))
    await queue.drain()
    expect(seen).toEqual(['a', 'b'])
  })

  it('lets what happens now go first, and brings a key forward', async () => {
    const { queue } = newQueue()
    const seen: string[] = []
    for (const key of ['old-1', 'old-2', 'old-3']) queue.add(key, { priority: 'background' })
    queue.add('new')
    queue.add('old-3')
    queue.add('new', { priority: 'background' })
    expect(queue.depth).toBe(4)
    void queue.run(1, async key => void seen.push(key))
    await waitFor(() => expect(seen).toEqual(['new', 'old-3', 'old-1', 'old-2']))
    await queue.drain()
  })

  it('brings a failed key back after twice the time, up to five minutes, and forgets that on success', async () => {
    const { queue, clock, errors } = newQueue()
    let fails = 13
    let handled = 0
    void queue.run(1, async () => {
      handled++
      if (fails-- > 0) throw new Error('not yet')
    })
    queue.add('a')
    await waitFor(() => expect(errors).toHaveLength(1))
    await clock.advance(60 * 60_000)
    expect(handled).toBe(14)
    expect(clock.slept.slice(0, 3)).toEqual([200, 400, 800])
    expect(clock.slept.slice(-2)).toEqual([300_000, 300_000])
    fails = 1
    clock.slept.length = 0
    queue.add('a')
    await waitFor(() => expect(clock.slept).toEqual([200]))
    expect(errors.at(-1)).toBe('a 1 not yet')
    await queue.drain()
  })

  it('calls again when a handler asks for it, at the earliest time anyone asked for', async () => {
    const { queue, clock } = newQueue()
    const times: number[] = []
    const begin = clock.now()
    void queue.run(1, async () => {
      times.push(clock.now() - begin)
      return times.length === 1 ? { requeueAfterMs: 5_000 } : undefined
    })
    queue.add('a')
    await waitFor(() => expect(times).toHaveLength(1))
    await settle()
    queue.addAfter('a', 9_000)
    queue.addAfter('a', 3_000)
    await clock.advance(20_000)
    expect(times).toEqual([0, 3_000])
    await queue.drain()
  })

  it('does at most a thousand at once and four hundred a second', async () => {
    const { queue, clock } = newQueue()
    let handled = 0
    void queue.run(4, async () => void handled++)
    for (let key = 0; key < 3_000; key++) queue.add(`key-${key}`)
    await waitFor(() => expect(handled).toBe(1_000))
    await settle()
    expect(handled).toBe(1_000)
    await clock.advance(2_000)
    expect(handled).toBeGreaterThanOrEqual(1_790)
    expect(handled).toBeLessThanOrEqual(1_805)
    await queue.drain()
  })

  it('tells handlers to end when it is drained, waits for them, and takes nothing more', async () => {
    const { queue, clock } = newQueue()
    const seen: string[] = []
    const running = queue.run(1, async (key, signal) => {
      seen.push(`begin ${key}`)
      await clock.sleep(60_000, signal)
      seen.push(`end ${key}`)
    })
    queue.add('a')
    queue.add('b')
    queue.addAfter('c', 1_000)
    await waitFor(() => expect(seen).toEqual(['begin a']))
    await queue.drain()
    await running
    queue.add('d')
    queue.addAfter('d', 1)
    expect(seen).toEqual(['begin a', 'end a'])
    expect([queue.depth, clock.sleeping]).toEqual([0, 0])
  })

  it('tells its observer what metrics need', async () => {
    const clock = new TestClock()
    const told: string[] = []
    const observer = {
      added: () => told.push('added'),
      depth: (waiting: number) => told.push(`depth ${waiting}`),
      taken: (seconds: number) => told.push(`taken ${seconds}`),
      done: (seconds: number) => told.push(`done ${seconds}`),
      retried: () => told.push('retried'),
    }
    const queue = new WorkQueue<string>({ clock, observer, onError: () => {} })
    queue.add('a')
    await clock.advance(2_000)
    void queue.run(1, async (_key, signal) => {
      await clock.sleep(3_000, signal)
      throw new Error('no')
    })
    await waitFor(() => expect(clock.sleeping).toBe(1))
    expect(queue.unfinished()).toEqual([0])
    await clock.advance(3_000)
    await queue.drain()
    expect(told).toEqual(['added', 'depth 1', 'depth 0', 'taken 2', 'retried', 'done 3'])
  })

  it('never works on a key twice at once, and loses nothing that was added', async () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      how: fc.constantFrom('add', 'background', 'after', 'nothing'),
      workMs: fc.nat(300),
      fails: fc.boolean(),
      waitMs: fc.nat(200),
    })
    const run = fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, workers) => {
        const { queue, clock } = newQueue()
        const working = new Set<string>()
        const addedAt = new Map<string, number>()
        const startedAt = new Map<string, number>()
        const plan = steps.values()
        void queue.run(workers, async key => {
          expect(working.has(key)).toBe(false)
          working.add(key)
          startedAt.set(key, clock.now())
          const { workMs, fails } = plan.next().value ?? { workMs: 0, fails: false }
          await clock.sleep(workMs)
          working.delete(key)
          if (fails) throw new Error('as planned')
        })
        for (const { key, how, waitMs } of steps) {
          if (how !== 'nothing') addedAt.set(key, clock.now())
          if (how === 'after') queue.addAfter(key, waitMs)
          else if (how !== 'nothing') queue.add(key, { priority: how === 'add' ? 'normal' : 'background' })
          await clock.advance(waitMs)
        }
        await clock.advance(60_000)
        for (const [key, at] of addedAt) expect(startedAt.get(key)).toBeGreaterThanOrEqual(at)
        expect([queue.depth, working.size]).toEqual([0, 0])
        await queue.drain()
        expect(clock.sleeping).toBe(0)
      },
    )
    await fc.assert(run, { numRuns: 100 })
  })
})
