// Finds the programs of a control plane: those in the folder that KUBEBUILDER_ASSETS names, or built with Go.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Environment, run, type Tell, tellOnStderr } from '../programs.ts'
import { goTool, goToolVersion } from './go-tool.ts'

/** The paths of the programs, and where they come from. */
export type ControlPlanePrograms = {
  from: 'KUBEBUILDER_ASSETS' | 'Go'
  etcd: string
  apiServer: string
  controllerManager: string
  kubectl: string
}

/**
 * The programs of the first control plane to be had. The first time it may build for some ten minutes, and tells so.
 * Throws an error that names both ways when there is none.
 */
export async function findPrograms(
  env: Environment = process.env,
  tell: Tell = tellOnStderr,
): Promise<ControlPlanePrograms> {
  const assets = fromAssets(env)
  try {
    if (!('missing' in assets)) {
      return {
        from: 'KUBEBUILDER_ASSETS',
        ...assets,
        controllerManager: assets.controllerManager ?? (await goTool('kube-controller-manager', env, tell)),
        kubectl: await findKubectl(env, tell),
      }
    }
    return {
      from: 'Go',
      etcd: await goTool('etcd', env, tell),
      apiServer: await goTool('kube-apiserver', env, tell),
      controllerManager: await goTool('kube-controller-manager', env, tell),
      kubectl: await findKubectl(env, tell),
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(
      [
        'There is no Kubernetes control plane to be had. Tried, in this order:',
        `  1. ${'missing' in assets ? assets.missing : 'KUBEBUILDER_ASSETS: it has not all of the programs'}`,
        `  2. Go: ${reason}`,
        'Do one of these: set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd, kube-controller-manager and',
        'kubectl, or install Go 1.26 or newer and let it reach its module proxy.',
      ].join('\n'),
      { cause: error },
    )
  }
}

type Assets = { etcd: string; apiServer: string; controllerManager: string | undefined }

/** The folder that setup-envtest makes has no kube-controller-manager. */
function fromAssets(env: Environment): Assets | { missing: string } {
  const folder = env['KUBEBUILDER_ASSETS']
  if (!folder) return { missing: 'KUBEBUILDER_ASSETS: not set' }
  const [etcd, apiServer, controllerManager] = ['etcd', 'kube-apiserver', 'kube-controller-manager'].map(name =>
    existing(folder, name),
  )
  if (etcd && apiServer) return { etcd, apiServer, controllerManager }
  return { missing: `KUBEBUILDER_ASSETS: ${folder} does not hold kube-apiserver and etcd` }
}

function existing(folder: string, name: string): string | undefined {
  const path = join(folder, name)
  return existsSync(path) ? path : undefined
}

const minorOf = (text: string): number => Number(/v1\.(\d+)/.exec(text)?.[1])

/** kubectl works one minor version to either side of the API server. */
async function findKubectl(env: Environment, tell: Tell): Promise<string> {
  const assets = env['KUBEBUILDER_ASSETS']
  const candidates = [assets && existing(assets, 'kubectl'), 'kubectl'].filter(program => !!program)
  for (const program of candidates) {
    const said = await run(String(program), ['version', '--client'], { env, seconds: 10 })
    if (said.ok && Math.abs(minorOf(said.text) - minorOf(goToolVersion('kube-apiserver'))) <= 1) return String(program)
  }
  return await goTool('kubectl', env, tell)
}
