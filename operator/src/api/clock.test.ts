import { expect, it } from 'vitest'
import { systemClock } from './clock.ts'

it('sleeps for years without waking at once, and wakes when it is told to', async () => {
  const told = new AbortController()
  let awake = false
  const sleeping = systemClock.sleep(1e12, told.signal).then(() => (awake = true))
  await systemClock.sleep(20)
  expect(awake).toBe(false)
  told.abort()
  await sleeping
  await systemClock.sleep(1e12, told.signal)
  expect(awake).toBe(true)
})
