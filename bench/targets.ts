// What the bench can put load on. A peer (another gateway) is one more Target in peers/<name>.ts, named in PEERS.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gateway, gatewayCached, gatewayWhole } from './gateway.ts'
import { freePorts, startProgram } from './programs.ts'
import type { Target } from './target.ts'

const CHAT = '/v1/chat/completions'
const MODEL = 'gpt-4o'
const HERE = import.meta.dirname

/** No gateway at all: what the load generator and the mock upstream cost. */
const direct: Target = {
  name: 'direct',
  start: async ({ upstreamUrl }) => {
    return { url: upstreamUrl + CHAT, model: MODEL, pids: [], redisPids: [], stop: async () => {} }
  },
}

/** See floor.ts. */
const floor: Target = {
  name: 'floor',
  start: async ({ upstreamUrl, logs, nodeArgs }) => {
    const [port = 0] = await freePorts(1)
    const args = [...nodeArgs, join(HERE, 'floor.ts'), '--port', String(port), '--upstream', upstreamUrl]
    const url = `http://127.0.0.1:${port}`
    const { pid, stop } = await startProgram({ name: 'floor', args, logs }, `${url}/health`)
    return { url: url + CHAT, model: MODEL, pids: [pid], redisPids: [], stop }
  },
}

/** The targets that are always there, in the order of the table's rows. */
export const targets: readonly Target[] = [direct, floor, gateway, gatewayCached, gatewayWhole]

const PEERS = join(HERE, 'peers')

/** The peers there are: the files of peers/. */
export function peerNames(): string[] {
  return readdirSync(PEERS)
    .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map(file => file.slice(0, -'.ts'.length))
    .toSorted()
}

/** Loads peers/<name>.ts, which exports `target`. Throws an Error that lists the names there are. */
export async function loadPeer(name: string): Promise<Target> {
  if (!peerNames().includes(name)) throw new Error(`no peer ${name}; there are ${peerNames().join(', ')}`)
  const module: { target?: Target } = await import(`./peers/${name}.ts`)
  if (module.target === undefined) throw new Error(`bench/peers/${name}.ts does not export target`)
  return { ...module.target, peer: true }
}
