import { expect, it } from 'vitest'
import config from '../vitest.config.ts'

it('gives every project of tests a turn of its own: vitest refuses others on machines of four cores and more', () => {
  const orders = (config.test?.projects ?? []).map(project =>
    typeof project === 'object' && 'test' in project ? project.test?.sequence?.groupOrder : undefined,
  )
  expect(orders).toHaveLength(4)
  expect(orders.every(order => Number(order) > 0)).toBe(true)
  expect(new Set(orders).size).toBe(orders.length)
})
