// What tells a Prometheus operator to read the metrics of the gateway and of management.
import { PORTS, type Services } from './inputs.ts'

export const SERVICE_MONITOR = { apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor' } as const

/** The port is found by its name at the Services; pods' metrics are told apart by pod and by component. */
export function serviceMonitorSpec(services: Services): object {
  return {
    jobLabel: 'app.kubernetes.io/component',
    selector: {
      matchLabels: services.all,
      matchExpressions: [{ key: 'app.kubernetes.io/component', operator: 'In', values: ['gateway', 'management'] }],
    },
    endpoints: [{ port: PORTS.metricsName, path: '/metrics' }],
  }
}
