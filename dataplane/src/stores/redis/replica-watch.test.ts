import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { StoreAway } from './connection.ts'
import { ReplicaWatch } from './replica-watch.ts'

const ROUND_MS = 200
const MINUTE_MS = 60_000

/** A server with one replica that acknowledges when it is told to, and somebody who waits. */
function world() {
  const server = { id: 'a', role: 'master', offset: 100, replicas: [100], away: false, refusing: false }
  const told: (number | string)[] = []
  const state = { waiting: false, now: 1000, asked: 0, hurried: 0, onHurry: () => {} }
  const watch = new ReplicaWatch({
    source: {
      async info() {
        state.asked++
        if (server.away) throw new StoreAway('away')
        if (server.refusing) throw Object.assign(new Error('NOPERM'), { name: 'ReplyError' })
        const lines = server.replicas.map((offset, at) => `slave${at}:ip=x,port=1,state=online,offset=${offset},lag=0`)
        const { role, id, offset } = server
        return [`role:${role}`, `master_replid:${id}`, `master_repl_offset:${offset}`, ...lines].join('\r\n')
      },
      async hurry() {
        state.hurried++
        state.onHurry()
        throw new StoreAway('a second connection is not to be had')
      },
      close: () => void told.push('closed'),
    },
    waiting: () => state.waiting,
    covered: number => void told.push(number),
    moved: () => void told.push('moved'),
    alone: () => void told.push('alone'),
    now: () => state.now,
  })
  const waitFor = (): number => {
    state.waiting = true
    return watch.next()
  }
  return { server, told, state, watch, waitFor }
}

describe("the watch over the store's replicas", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const round = (): Promise<unknown> => vi.advanceTimersByTimeAsync(ROUND_MS)

  test('without a replica nothing needs to be covered, what waited for the first answer goes, and nobody is asked', async () => {
    const { server, told, state, watch } = world()
    server.replicas = []
    expect(watch.needed()).toBe(true)
    await watch.look()
    expect(watch.needed()).toBe(false)
    expect(told).toEqual([Infinity])
    await vi.advanceTimersByTimeAsync(10_000)
    expect([state.asked, state.hurried]).toEqual([1, 0])
  })

  test('what waits is covered once the replica acknowledged as much as the store had by then', async () => {
    const { server, told, state, watch, waitFor } = world()
    await watch.look()
    expect(told).toEqual([1])
    server.offset = 200
    const number = waitFor()
    await round()
    expect(told).toEqual([1])
    server.offset = 300
    server.replicas = [199]
    await round()
    expect(told).toEqual([1])
    server.replicas = [200]
    await round()
    expect(told.slice(0, 2)).toEqual([1, number])
    expect(state.hurried).toBe(3)
  })

  test('the store goes on being written meanwhile: each part is covered by itself, in one round when replicas are quick', async () => {
    const { server, told, state, waitFor } = world()
    state.onHurry = () => {
      server.replicas = [server.offset]
      server.offset += 50
    }
    const first = waitFor()
    server.offset += 10
    await round()
    expect(told).toEqual([first])
    const second = waitFor()
    expect(second).toBeGreaterThan(first)
    await round()
    expect(Math.max(...told.map(Number))).toBeGreaterThanOrEqual(second)
  })

  test('a replica that is always far behind covers what it reached, part by part', async () => {
    const { server, told, watch } = world()
    for (let look = 1; look <= 30; look++) {
      server.offset = 1000 * look
      server.replicas = [Math.max(0, 1000 * (look - 6))]
      await watch.look()
    }
    const numbers = told.map(Number)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(numbers.length).toBeGreaterThan(3)
    expect(numbers.every((number, at) => number <= 24 && (at === 0 || number > 0))).toBe(true)
    expect(numbers.at(-1)).toBeGreaterThan(12)
  })

  test('asks only while something waits', async () => {
    const { state, watch, waitFor } = world()
    await watch.look()
    waitFor()
    await round()
    state.waiting = false
    await round()
    const { asked } = state
    await vi.advanceTimersByTimeAsync(10 * ROUND_MS)
    expect(state.asked).toBe(asked)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('one of several replicas is enough', async () => {
    const { server, told, watch } = world()
    server.replicas = [0, 100, 50]
    await watch.look()
    expect(told).toEqual([1])
  })

  test('another history is another store: what waits is sent again, and marks of the old one count no more', async () => {
    const { server, told, watch, waitFor } = world()
    await watch.look()
    server.offset = 200
    waitFor()
    await round()
    Object.assign(server, { id: 'b', offset: 90, replicas: [80] })
    await watch.look()
    expect(told).toEqual([1, 'moved'])
    server.replicas = [89]
    await watch.look()
    expect(told).toEqual([1, 'moved'])
  })

  test('a store that follows another one covers nothing', async () => {
    const { server, told, watch } = world()
    server.role = 'slave'
    await watch.look()
    expect(told).toEqual([])
    expect(watch.needed()).toBe(true)
  })

  test('a replica that went is expected back for a minute; then what waits goes uncovered', async () => {
    const { server, told, state, watch } = world()
    await watch.look()
    server.offset = 200
    server.replicas = []
    state.now += MINUTE_MS - 1
    await watch.look()
    expect([watch.needed(), told]).toEqual([true, [1]])
    state.now += 1
    await watch.look()
    expect([watch.needed(), told]).toEqual([false, [1, 'alone']])
  })

  test('while the store is away nothing is decided, and it is asked again', async () => {
    const { server, told, state, watch, waitFor } = world()
    server.away = true
    const number = waitFor()
    await watch.look()
    await round()
    expect([told, watch.needed()]).toEqual([[], true])
    expect(state.asked).toBeGreaterThan(2)
    server.away = false
    await round()
    expect(Number(told[0])).toBeGreaterThanOrEqual(number)
  })

  test('a store that refuses to say is taken for one without replicas', async () => {
    const { server, watch } = world()
    server.refusing = true
    await watch.look()
    expect(watch.needed()).toBe(false)
  })

  test('looks now and then for replicas that came', async () => {
    const { server, state, watch } = world()
    server.replicas = []
    await watch.look()
    server.replicas = [0]
    watch.tick()
    expect(state.asked).toBe(1)
    state.now += 5000
    watch.tick()
    await vi.waitFor(() => expect(watch.needed()).toBe(true))
  })

  test('closed, it asks no more', async () => {
    const { state, told, watch, waitFor } = world()
    waitFor()
    watch.close()
    await vi.advanceTimersByTimeAsync(10 * ROUND_MS)
    watch.next()
    expect([state.asked, told, vi.getTimerCount()]).toEqual([0, ['closed'], 0])
  })
})
