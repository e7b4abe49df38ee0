import { describe, expect, it } from 'vitest'
import { OperatorMetrics } from './metrics.ts'

function newMetrics(): OperatorMetrics {
  return new OperatorMetrics({ gateway: 'main', leaseName: 'operator', version: '1.2.3' })
}

describe('the metrics of the operator', () => {
  it('go by the names that dashboards for operators know', async () => {
    const metrics = newMetrics()
    metrics.workers('AITenant', 4)
    metrics.reconcileStarted('AITenant')
    for (const result of ['success', 'requeue_after', 'error', 'terminal', 'timeout', 'panic'] as const) {
      metrics.reconcileStarted('AITenant')
      metrics.reconciled('AITenant', result, 0.02)
    }
    const queue = metrics.queueObserver('resources')
    queue.added()
    queue.depth(3)
    queue.taken(0.5)
    queue.done(2)
    queue.retried()
    metrics.queueSource('resources', () => [1, 4])
    metrics.queueSource('other', () => [])
    metrics.leading(true)
    metrics.request('GET', '200')
    const text = await metrics.text()
    const queueLabels = 'name="resources",controller="resources"'
    for (const line of [
      'controller_runtime_reconcile_total{controller="AITenant",result="success"} 1',
      'controller_runtime_reconcile_total{controller="AITenant",result="requeue_after"} 1',
      'controller_runtime_reconcile_total{controller="AITenant",result="error"} 4',
      'controller_runtime_reconcile_errors_total{controller="AITenant"} 4',
      'controller_runtime_terminal_reconcile_errors_total{controller="AITenant"} 1',
      'controller_runtime_reconcile_panics_total{controller="AITenant"} 1',
      'controller_runtime_reconcile_timeouts_total{controller="AITenant"} 1',
      'controller_runtime_reconcile_time_seconds_count{controller="AITenant"} 6',
      'controller_runtime_max_concurrent_reconciles{controller="AITenant"} 4',
      'controller_runtime_active_workers{controller="AITenant"} 1',
      `workqueue_depth{${queueLabels}} 3`,
      `workqueue_adds_total{${queueLabels}} 1`,
      `workqueue_queue_duration_seconds_sum{${queueLabels}} 0.5`,
      `workqueue_work_duration_seconds_sum{${queueLabels}} 2`,
      `workqueue_unfinished_work_seconds{${queueLabels}} 5`,
      `workqueue_longest_running_processor_seconds{${queueLabels}} 4`,
      'workqueue_longest_running_processor_seconds{name="other",controller="other"} 0',
      `workqueue_retries_total{${queueLabels}} 1`,
      'leader_election_master_status{name="operator"} 1',
      'rest_client_requests_total{code="200",method="GET"} 1',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
  })

  it('say what was published and who serves it', async () => {
    const metrics = newMetrics()
    metrics.publication({ result: 'published', seconds: 0.1, generation: 7, bytes: 900, objects: { key: 2, chain: 1 } })
    metrics.publication({ result: 'failed', seconds: 0.1 })
    metrics.publication({ result: 'published', seconds: 0.1, generation: 8, bytes: 800, objects: { key: 3 } })
    metrics.pods({ current: 2, stale: 1, rejected: 0, missing: 0 })
    metrics.propagated(0.3)
    metrics.storeUp(true)
    metrics.conditions([{ kind: 'VirtualKey', type: 'Ready', status: 'False', count: 9 }])
    metrics.conditions([{ kind: 'VirtualKey', type: 'Ready', status: 'True', count: 9 }])
    metrics.deletionBlocked({ AITenant: 1 })
    metrics.eventLost()
    metrics.watchFailing('virtualkeys', true)
    const text = await metrics.text()
    for (const line of [
      'smartflow_config_generation{gateway="main"} 8',
      'smartflow_config_published_total{result="published"} 2',
      'smartflow_config_published_total{result="failed"} 1',
      'smartflow_config_publish_seconds_count 3',
      'smartflow_config_objects{kind="key"} 3',
      'smartflow_config_bytes 800',
      'smartflow_dataplane_pods{state="stale"} 1',
      'smartflow_config_propagation_seconds_count 1',
      'smartflow_store_up 1',
      'smartflow_resource_condition{kind="VirtualKey",type="Ready",status="True"} 9',
      'smartflow_deletion_blocked{kind="AITenant"} 1',
      'smartflow_events_lost_total 1',
      'smartflow_watch_failing{resource="virtualkeys"} 1',
      'smartflow_build_info{version="1.2.3"} 1',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
    expect(text).not.toContain('kind="chain"')
    expect(text).not.toContain('status="False"')
  })
})
