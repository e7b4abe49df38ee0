import { describe, expect, test } from 'vitest'
import { InFlight } from './in-flight.ts'

class Asked {
  isSettled = false
  problem = ''

  reject(error: Error): void {
    this.isSettled = true
    this.problem = error.message
  }
}

describe('commands in flight', () => {
  test('are given up after so many whole ticks, not before', () => {
    const flight = new InFlight()
    const [early, late] = [new Asked(), new Asked()]
    flight.add(early)
    for (let at = 0; at < 3; at++) flight.tick(3, 'slow')
    flight.add(late)
    expect(early.isSettled).toBe(false)
    flight.tick(3, 'slow')
    expect([early.problem, late.problem]).toEqual(['slow', ''])
  })

  test('those answered meanwhile are left alone, however many', () => {
    const flight = new InFlight()
    const asked = Array.from({ length: 2000 }, () => new Asked())
    for (const [at, one] of asked.entries()) {
      flight.add(one)
      one.isSettled = at !== 1500
      flight.answered()
    }
    for (let at = 0; at < 4; at++) flight.tick(3, 'slow')
    expect(asked.filter(({ problem }) => problem !== '')).toEqual([asked[1500]])
  })
})
