import { createServer, connect, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { turnsEnd } from './turn.ts'

test('whoever waits in one turn goes on together, whoever waits then in the next', async () => {
  const seen: string[] = []
  const wait = async (name: string): Promise<void> => {
    await turnsEnd()
    seen.push(name)
    await turnsEnd()
    seen.push(`${name} again`)
  }
  const all = [wait('a'), wait('b')]
  expect(seen).toEqual([])
  await turnsEnd()
  expect(seen).toEqual(['a', 'b'])
  await Promise.all(all)
  expect(seen).toEqual(['a', 'b', 'a again', 'b again'])
})

test('the turn ends after what sockets brought', async () => {
  const server = createServer(socket => void socket.end('x')).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const seen: string[] = []
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await new Promise<void>(resolve => {
    socket.on('data', () => {
      void turnsEnd().then(() => seen.push('turn over'))
      void Promise.resolve().then(() => seen.push('taken in'))
    })
    socket.on('close', () => resolve())
  })
  server.close()
  expect(seen).toEqual(['taken in', 'turn over'])
})
