// What other tools make of a resource's status: Flux and Helm by kstatus, Argo CD by a health script in Lua.
import type { Environment } from '../programs.ts'
import { goTool, type GoToolName } from './go-tool.ts'
import { piped } from './piped.ts'

/** The judgement of kstatus on one object. */
export type KstatusVerdict = {
  kind: string
  namespace?: string
  name: string
  status: 'Current' | 'InProgress' | 'Failed' | 'Terminating' | 'NotFound' | 'Unknown'
  message: string
}

/** Judges objects: JSON, or YAML documents, or a List. In their order. Throws with the tool's words when one is no object. */
export async function kstatus(objects: string, env: Environment = process.env): Promise<KstatusVerdict[]> {
  const lines = (await ask('kstatus', objects, env)).split('\n').filter(line => line !== '')
  return lines.map((line): KstatusVerdict => JSON.parse(line))
}

/** What an Argo CD health script returns. */
export type ArgoHealth = { status?: string; message?: string }

/** Runs a health script on an object (its `obj`), for a second at most. Throws with Lua's words when it fails. */
export async function argoHealth(script: string, object: object, env: Environment = process.env): Promise<ArgoHealth> {
  const health: ArgoHealth = JSON.parse(await ask('lua', JSON.stringify({ script, object }), env))
  return health
}

const SECONDS = 20

async function ask(tool: GoToolName, input: string, env: Environment): Promise<string> {
  const said = await piped(await goTool(tool, env), [], { env, seconds: SECONDS, input })
  if (said.code !== 0) throw new Error(said.stderr.trim() || `${tool} did not answer in ${SECONDS} s`)
  return said.stdout
}
