import { describe, expect, it } from 'vitest'
import { refuseAddress } from './address.ts'

describe('refuseAddress', () => {
  it.each([
    '169.254.169.254',
    '::ffff:169.254.169.254',
    'fe80::1',
    'fd00:ec2::254',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '::a9fe:a9fe',
    'fe80::1%eth0',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
  ])('never lets %s through, declared private or not', address => {
    expect(refuseAddress(address, true)).toMatch(/never connects/)
    expect(refuseAddress(address, false)).toMatch(/never connects/)
  })

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.20.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    'fc00::1',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '2002:7f00:1::',
    '::7f00:1',
    '::ffff:7f00:1',
    '::ffff:0:7f00:1',
  ])('lets %s through only where a private endpoint is declared', address => {
    expect(refuseAddress(address, false)).toMatch(/allowPrivateEndpoint/)
    expect(refuseAddress(address, true)).toBeUndefined()
  })

  it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111'])('lets the public %s through', address => {
    expect(refuseAddress(address, false)).toBeUndefined()
  })

  it('refuses what is no address', () => {
    expect(refuseAddress('localhost', true)).toMatch(/not an IP address/)
  })
})
