import { describe, expect, test } from 'vitest'
import { readReplication } from './replication.ts'

const ID = '0123456789abcdef0123456789abcdef01234567'

const info = (...lines: string[]): string =>
  ['# Replication', 'role:master', `master_replid:${ID}`, 'master_repl_offset:700', ...lines, ''].join('\r\n')

describe('what a server says about its replication', () => {
  test('is read: its history, how far it is, and how far the furthest of its replicas is', () => {
    const text = info(
      'connected_slaves:2',
      'slave0:ip=10.0.0.7,port=6379,state=online,offset=650,lag=1',
      'slave1:ip=10.0.0.8,port=6379,state=online,offset=690,lag=0,type=replica',
    )
    expect(readReplication(text)).toEqual({ id: ID, primary: true, offset: 700, replicas: 2, acknowledged: 690 })
  })

  test('a replica that is still being filled does not count', () => {
    const text = info('connected_slaves:1', 'slave0:ip=10.0.0.7,port=6379,state=wait_bgsave,offset=900,lag=0')
    expect(readReplication(text)).toMatchObject({ replicas: 0, acknowledged: 0 })
  })

  test('a server that follows another one is no primary', () => {
    expect(readReplication(info().replace('role:master', 'role:slave'))).toMatchObject({ primary: false, replicas: 0 })
  })

  test('a text without a history says nothing', () => {
    expect(readReplication('')).toBeUndefined()
    expect(readReplication('role:master\r\nconnected_slaves:1\r\n')).toBeUndefined()
    expect(readReplication(`master_replid:${ID}\r\nmaster_repl_offset:many\r\n`)).toBeUndefined()
  })
})
