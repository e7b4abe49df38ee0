// One Kubernetes control plane for a whole test run. Tests open it with `operator/cluster-test.ts`.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import type { ClusterAddress } from '../hack/control-plane/cluster.ts'
import { CRD_SOURCES, crdFolder } from '../hack/control-plane/crds.ts'
import { findPrograms } from '../hack/control-plane/find-programs.ts'
import { goTool } from '../hack/control-plane/go-tool.ts'
import { type ControlPlane, startControlPlane } from '../hack/control-plane/control-plane.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Null when there is no control plane to be had. Never null under CI. */
    cluster: ClusterAddress | null
  }
}

/**
 * Starts it, which the first time may take some ten minutes of building, told on standard error; the function returned
 * ends it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'smartflow-test-cluster-'))
  const clean = (): void => rmSync(dir, { recursive: true, force: true })
  let controlPlane: ControlPlane
  try {
    // All that is built or downloaded once is so here, where no test's time limit runs.
    await findPrograms()
    for (const tool of ['kstatus', 'lua'] as const) await goTool(tool)
    for (const source of CRD_SOURCES) await crdFolder(source)
    controlPlane = await startControlPlane({ dir })
  } catch (error) {
    clean()
    if (process.env['CI'] === 'true') throw error
    console.warn(
      `\n!! Tests that need Kubernetes are skipped. ${error instanceof Error ? error.message : String(error)}\n`,
    )
    project.provide('cluster', null)
    return async () => undefined
  }
  project.provide('cluster', controlPlane.address)
  return async () => {
    await controlPlane.stop()
    clean()
  }
}
