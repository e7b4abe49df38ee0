import { describe, expect, test } from 'vitest'
import { StoreClock } from './store-clock.ts'

describe("the store's clock", () => {
  test('is this machine’s until the store says otherwise', () => {
    let local = 1_000_000
    const clock = new StoreClock(() => local)
    expect(clock.now()).toBe(1_000_000)
    clock.learn(5_000_000)
    local += 10
    expect(clock.now()).toBe(5_000_010)
  })

  test('an answer that fits into its own way there and back changes nothing, however slow it was', () => {
    let local = 1_000_000
    const clock = new StoreClock(() => local)
    const askedAt = clock.now()
    local += 2000
    clock.heard(1_000_100, askedAt)
    expect(clock.now()).toBe(1_002_000)
  })

  test('an answer that does not fit shows that the clocks drifted', () => {
    let local = 1_000_000
    const clock = new StoreClock(() => local)
    const askedAt = clock.now()
    local += 10
    clock.heard(1_000_705, askedAt)
    expect(clock.now()).toBe(1_000_710)
    clock.heard(1_000_300, clock.now())
    expect(clock.now()).toBe(1_000_300)
  })
})
