// Nodes that are played by kwok, with upstream's scheduler: Deployments and Jobs get pods that run as if they did.
import { join } from 'node:path'
import { END_AT_ONCE, endAtOnce, hasEnded, lastLines, spawnTethered, type Tethered, until } from '../local-server.ts'
import type { Environment } from '../programs.ts'
import type { Cluster } from './cluster.ts'
import { goTool } from './go-tool.ts'

/** The node; kwok leaves all others alone. */
const FAKE_NODE = 'fake'
const MARK = 'kwok.x-k8s.io/node'

const START_MS = 30_000

/**
 * Starts kwok and a scheduler for a cluster and waits until the node is ready. `dir` takes their logs. Returns what ends
 * them; they end with this process too. Pods get
 * addresses of 10.0.1.0/24 and are ready at once.
 */
export async function startFakeNode(
  cluster: Cluster,
  dir: string,
  env: Environment = process.env,
): Promise<() => Promise<void>> {
  const [kwok, scheduler] = [await goTool('kwok', env), await goTool('kube-scheduler', env)]
  const { kubeconfig } = cluster.address
  const commands = {
    kwok: [kwok, `--kubeconfig=${kubeconfig}`, ...KWOK_FLAGS],
    'kube-scheduler': [scheduler, `--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0'],
  }
  const node = { metadata: { name: FAKE_NODE, annotations: { [MARK]: 'fake' } } }
  const made = await cluster.request('POST', '/api/v1/nodes', { body: node })
  if (made.code !== 201 && made.code !== 409) throw new Error(`No node: ${JSON.stringify(made.body)}`)
  const started = Object.entries(commands).map(([name, command]) => ({
    log: join(dir, `${name}.log`),
    program: spawnTethered({ command, log: join(dir, `${name}.log`), env, lastWish: END_AT_ONCE }),
  }))
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(({ program }) => endAtOnce(program)))
  }
  const ready = await until(() => isReady(cluster, started[0]?.program), START_MS)
  if (ready && !started.some(({ program }) => hasEnded(program))) return stop
  await stop()
  throw new Error(
    `The fake node did not get ready:\n${started.map(({ log }) => `${log}:\n${lastLines(log)}`).join('\n')}`,
  )
}

const KWOK_FLAGS = [
  '--manage-all-nodes=false',
  `--manage-nodes-with-annotation-selector=${MARK}=fake`,
  '--cidr=10.0.1.0/24',
  '--node-ip=192.0.2.2',
  '--server-address=',
]

type NodeStatus = { status?: { conditions?: { type: string; status: string }[] } }

async function isReady(cluster: Cluster, kwok: Tethered | undefined): Promise<boolean> {
  if (!kwok || hasEnded(kwok)) return true
  const { body } = await cluster.request<NodeStatus>('GET', `/api/v1/nodes/${FAKE_NODE}`)
  return body.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}
