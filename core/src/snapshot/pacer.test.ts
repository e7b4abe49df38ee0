// The pacer: due after its stretch, fresh after a pause.
import { describe, expect, test } from 'vitest'
import { Pacer, PACER_STRETCH_MS, systemPacerClock } from './pacer.ts'

describe('a pacer', () => {
  test('is due once its stretch is used up, and not again right after a pause', async () => {
    let now = 100
    const pacer = new Pacer({ now: () => now, pause: async () => undefined })
    expect(pacer.due()).toBe(false)
    now += PACER_STRETCH_MS - 0.1
    expect(pacer.due()).toBe(false)
    now += 0.1
    expect(pacer.due()).toBe(true)
    await pacer.pause()
    expect(pacer.due()).toBe(false)
  })

  test('pauses for a macrotask: what waits on the event loop comes first', async () => {
    const order: string[] = []
    setImmediate(() => order.push('other work'))
    await new Pacer(systemPacerClock).pause()
    order.push('this work')
    expect(order).toEqual(['other work', 'this work'])
  })
})
