import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { callOff, setDeadline } from './deadlines.ts'

describe('deadlines', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('come due once, never early, and not at all when they are called off', () => {
    const first = vi.fn<() => void>()
    const second = vi.fn<() => void>()
    const never = vi.fn<() => void>()
    setDeadline(first, 250)
    setDeadline(second, 1_000)
    setDeadline(never, 250)
    callOff(never)
    vi.advanceTimersByTime(249)
    expect(first).not.toHaveBeenCalled()
    vi.advanceTimersByTime(151)
    expect(first).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(2_000)
    expect([first, second, never].map(({ mock }) => mock.calls.length)).toEqual([1, 1, 0])
  })

  it('may be set again by what they call', () => {
    let times = 0
    const again = (): void => {
      if (++times < 3) setDeadline(again, 100)
    }
    setDeadline(again, 100)
    vi.advanceTimersByTime(5_000)
    expect(times).toBe(3)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('deadlines of a process that stood still', () => {
  it('do not come due for what had come in time', async () => {
    const server = createServer(socket => void socket.write('in time')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const overdue = vi.fn<() => void>()
    socket.once('data', () => callOff(overdue))
    await once(server, 'connection')
    setDeadline(overdue, 50)
    const until = performance.now() + 250
    while (performance.now() < until);
    await once(socket, 'data')
    expect(overdue).not.toHaveBeenCalled()
    socket.destroy()
    server.close()
  })
})
