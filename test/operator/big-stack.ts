// A whole installation of its own for measurements: control plane, Redis, operator, data planes, and a client over one
// pool of connections.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterAccess } from '../../operator/src/api/kube-config.ts'
import { KubeClient } from '../../operator/src/api/client.ts'
import { type ControlPlane, startControlPlane } from '../../hack/control-plane/control-plane.ts'
import { cleanUp, eventually, temporary } from '../e2e/gateway.ts'
import { AckWatch } from './ack-watch.ts'
import { applyOwnDefinitions } from './own-definitions.ts'
import {
  apply,
  createGatewayService,
  endOperators,
  type OperatorProcess,
  type Place,
  type Plane,
  startOperator,
  startPlane,
} from './stack.ts'

const NAMESPACE = 'smartflow-system'

/** What runs. */
export interface BigStack {
  readonly cluster: ControlPlane
  readonly place: Place
  readonly client: KubeClient
  operator: OperatorProcess
  readonly planes: readonly ProbedPlane[]
  readonly acks: AckWatch
  /** Ends all of it. */
  close(): Promise<void>
}

/** A data plane that says how long its event loop was held up. */
export interface ProbedPlane extends Plane {
  /** The CPU time of the loop's thread in its longest turn since the last call, milliseconds (turn-probe.ts). */
  longestTurn(): Promise<number>
}

async function startProbed(place: Place): Promise<ProbedPlane> {
  const file = join(temporary(), 'turn')
  const probe = new URL('turn-probe.ts', import.meta.url)
  const plane = await startPlane(place, { env: { NODE_OPTIONS: `--import ${probe.href}`, TURN_PROBE: file } })
  const longestTurn = async (): Promise<number> => {
    rmSync(file, { force: true })
    process.kill(plane.pid, 'SIGUSR2')
    await eventually('a data plane tells of its turns', () => existsSync(file))
    return Number(readFileSync(file, 'utf8'))
  }
  return Object.assign(plane, { longestTurn })
}

/** Starts one with two data planes; nothing of ours is in it yet. `gateway`: a name that nobody else uses in that Redis. */
export async function startBigStack(redisUrl: string, gateway: string): Promise<BigStack> {
  const cluster = await startControlPlane({ dir: join(temporary(), 'control-plane') })
  await applyOwnDefinitions(cluster)
  await apply(cluster, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } })
  const place = { cluster, namespace: NAMESPACE, gateway, redisUrl }
  await createGatewayService(place)
  const operator = await startOperator(place)
  const planes = [await startProbed(place), await startProbed(place)]
  const client = new KubeClient({ access: new ClusterAccess({ kubeconfig: cluster.address.kubeconfig }) })
  const acks = new AckWatch({ redisUrl, gateway, pods: planes.map(({ uid }) => uid) })
  await acks.start()
  const close = async (): Promise<void> => {
    acks.close()
    await client.close()
    await endOperators()
    await cleanUp()
    await cluster.stop()
  }
  return { cluster, place, client, operator, planes, acks, close }
}
