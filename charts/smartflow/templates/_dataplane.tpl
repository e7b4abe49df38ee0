{{/*
A Deployment of the data plane's program; call with
(dict "root" $ "component" "gateway" "listener" "proxy" "port" 7775 "values" .Values.dataplane "replicas" 2), where no
replicas leave their number to an autoscaler.
*/}}
{{- define "smartflow.dataplane" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $id := include "smartflow.id" $root -}}
{{- $shutdown := $values.shutdown -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "smartflow.metadata" (list $root (printf "%s-%s" $id .component) .component) | nindent 2 }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      {{- include "smartflow.selector" (list $root .component) | nindent 6 }}
  strategy:
    type: RollingUpdate
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 }
  template:
    metadata:
      {{- include "smartflow.podMetadata" (list $root .component) | nindent 6 }}
    spec:
      serviceAccountName: {{ include "smartflow.serviceAccount" (list $root .component .values) }}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ add $shutdown.lameDuckSeconds $shutdown.drainSeconds $shutdown.restSeconds }}
      {{- include "smartflow.podSecurity" $root | nindent 6 }}
      {{- include "smartflow.placement" (list $root .component .values) | nindent 6 }}
      containers:
        - name: {{ .component }}
          {{- include "smartflow.containerSecurity" $root | nindent 10 }}
          args:
            {{- range .values.nodeFlags }}
            - {{ . | quote }}
            {{- end }}
            - dataplane
          env:
            - { name: SMARTFLOW_LISTENERS, value: {{ .listener }} }
            - { name: SMARTFLOW_GATEWAY, value: {{ $id | quote }} }
            - { name: SMARTFLOW_HOST, value: 0.0.0.0 }
            - { name: SMARTFLOW_KEYS_DIR, value: /var/run/smartflow/keys }
            - { name: SMARTFLOW_STATE_DIR, value: /var/lib/smartflow }
            - { name: SMARTFLOW_LAME_DUCK_MS, value: {{ mul $shutdown.lameDuckSeconds 1000 | quote }} }
            - { name: SMARTFLOW_DRAIN_MS, value: {{ mul $shutdown.drainSeconds 1000 | quote }} }
            - name: SMARTFLOW_POD_UID
              valueFrom: { fieldRef: { fieldPath: metadata.uid } }
            - name: POD_NAME
              valueFrom: { fieldRef: { fieldPath: metadata.name } }
            {{- with $values.redis }}
            {{- include "smartflow.secretEnv" (list "REDIS_URL" .existingSecret .key) | nindent 12 }}
            {{- if .cacheSecret }}
            {{- include "smartflow.secretEnv" (list "SMARTFLOW_CACHE_REDIS_URL" .cacheSecret .cacheKey) | nindent 12 }}
            {{- end }}
            {{- end }}
            {{- with .values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - { name: {{ .listener }}, containerPort: {{ .port }}, protocol: TCP }
            - { name: metrics, containerPort: 9464, protocol: TCP }
          startupProbe:
            httpGet: { path: /livez, port: metrics }
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: { path: /livez, port: metrics }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: { path: /readyz, port: metrics }
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 2
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - { name: keys, mountPath: /var/run/smartflow/keys, readOnly: true }
            - { name: state, mountPath: /var/lib/smartflow }
            {{- with .values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        # The operator makes it at its first start; until then pods wait.
        - name: keys
          secret: { secretName: {{ $id }}-keys, defaultMode: 0440 }
        - name: state
          emptyDir: { sizeLimit: {{ $values.state.sizeLimit }} }
        {{- with .values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end -}}

{{/* The Service for callers and the headless one for metrics; same arguments, and "extraPorts". */}}
{{- define "smartflow.services" -}}
{{- $id := include "smartflow.id" .root -}}
apiVersion: v1
kind: Service
metadata:
  {{- $annotations := merge (dict) .values.service.annotations .root.Values.commonAnnotations }}
  name: {{ $id }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "smartflow.labels" (list .root .component) | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .values.service.type }}
  selector:
    {{- include "smartflow.selector" (list .root .component) | nindent 4 }}
  ports:
    - { name: http, port: 80, targetPort: {{ .listener }}, protocol: TCP, appProtocol: http }
    # The pods' own number, which the operator's routes name.
    - { name: {{ .listener }}, port: {{ .port }}, targetPort: {{ .listener }}, protocol: TCP, appProtocol: http }
---
{{ include "smartflow.metricsService" (dict "root" .root "component" .component) }}
{{- end -}}

{{- define "smartflow.metricsService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "smartflow.metadata" (list .root (printf "%s-%s-metrics" (include "smartflow.id" .root) .component) .component) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "smartflow.selector" (list .root .component) | nindent 4 }}
  ports:
    - { name: metrics, port: 9464, targetPort: metrics, protocol: TCP }
{{- end -}}

{{/* A PodDisruptionBudget; call with (list $ "component" .Values.component). */}}
{{- define "smartflow.disruption" -}}
{{- $budget := (last .).podDisruptionBudget -}}
{{- if $budget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "smartflow.metadata" (list (first .) (printf "%s-%s" (include "smartflow.id" (first .)) (index . 1)) (index . 1)) | nindent 2 }}
spec:
  maxUnavailable: {{ $budget.maxUnavailable }}
  # A pod that is not ready serves nobody: it never holds up a node's drain.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "smartflow.selector" (list (first .) (index . 1)) | nindent 6 }}
{{- end -}}
{{- end -}}

{{/* A component's ServiceAccount, unless it is somebody else's; call with (list $ "component" .Values.component). */}}
{{- define "smartflow.account" -}}
{{- $root := first . -}}
{{- $account := (last .).serviceAccount -}}
{{- if not $account.name -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "smartflow.serviceAccount" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "smartflow.labels" (list $root (index . 1)) | nindent 4 }}
  {{- with merge (dict) $account.annotations $root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}
