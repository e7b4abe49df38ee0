{{/* The gateway's id in the store, and what every name begins with. */}}
{{- define "smartflow.id" -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$" .Release.Name) -}}
{{- fail "the release's name names the gateway in Redis: 1 to 40 lower-case letters, digits and \"-\", no dots" -}}
{{- end -}}
{{- .Release.Name -}}
{{- end -}}

{{/* Labels that select; call with (list $ "component"). They may never change. */}}
{{- define "smartflow.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: smartflow
app.kubernetes.io/instance: {{ include "smartflow.id" $root }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{/* All labels of an object; call with (list $ "component"). */}}
{{- define "smartflow.labels" -}}
{{- $root := first . -}}
{{ include "smartflow.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* name, namespace, labels and annotations; call with (list $ "name" "component"). */}}
{{- define "smartflow.metadata" -}}
{{- $root := first . -}}
name: {{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "smartflow.labels" (list $root (last .)) | nindent 2 }}
{{- with $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The name of a component's ServiceAccount; call with (list $ "component" .Values.component). */}}
{{- define "smartflow.serviceAccount" -}}
{{- $values := last . -}}
{{- $values.serviceAccount.name | default (printf "%s-%s" (include "smartflow.id" (first .)) (index . 1)) -}}
{{- end -}}

{{- define "smartflow.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}
