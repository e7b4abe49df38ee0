import { describe, expect, it } from 'vitest'
import { Calibration } from './calibration.ts'

describe('Calibration', () => {
  it('leaves right estimates alone', () => {
    const calibration = new Calibration()
    for (let call = 0; call < 100; call++) calibration.learn('m', 50, 50)
    expect(calibration.factor('m')).toBe(1)
  })

  it('follows too small estimates at once and too large ones slowly', () => {
    const calibration = new Calibration()
    for (let call = 0; call < 10; call++) calibration.learn('m', 50, 100)
    expect(calibration.factor('m')).toBeGreaterThan(1.99)
    calibration.learn('m', 50, 50)
    expect(calibration.factor('m')).toBeGreaterThan(1.9)
    for (let call = 0; call < 500; call++) calibration.learn('m', 50, 50)
    expect(calibration.factor('m')).toBeLessThan(1.01)
  })

  it('learns per model, within bounds, and not from tiny prompts', () => {
    const calibration = new Calibration()
    calibration.learn('a', 50, 1_000_000)
    calibration.learn('b', 5, 50)
    expect(calibration.factor('a')).toBeLessThanOrEqual(8)
    expect(calibration.factor('b')).toBe(1)
  })
})
