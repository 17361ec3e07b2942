{{- define "parapet.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "parapet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "parapet.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "parapet.selector" -}}
app.kubernetes.io/name: {{ include "parapet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "parapet.labels" -}}
{{ include "parapet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels of every pod that holds a gateway, a sidecar's too: Service and NetworkPolicy look for these. */}}
{{- define "parapet.podSelector" -}}
parapet-gateway: {{ include "parapet.fullname" . }}
{{- end -}}

{{- define "parapet.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "parapet.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "parapet.configMap" -}}
{{- .Values.existingConfig | default (include "parapet.fullname" .) -}}
{{- end -}}

{{/* The most replicas that there will be. */}}
{{- define "parapet.replicas" -}}
{{- if .Values.autoscaling.enabled -}}{{ .Values.autoscaling.maxReplicas | int }}{{- else -}}{{ .Values.replicaCount | int }}{{- end -}}
{{- end -}}

{{/* A time of gateway.toml, such as 250ms, 30s, 5m or 1h, in whole seconds. */}}
{{- define "parapet.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}{{ div (add $number 999) 1000 }}
{{- else if eq $unit "m" -}}{{ mul $number 60 }}
{{- else if eq $unit "h" -}}{{ mul $number 3600 }}
{{- else -}}{{ $number }}
{{- end -}}
{{- end -}}

{{/* Above what the process itself waits for when it is told to stop. */}}
{{- define "parapet.grace" -}}
{{- if .Values.terminationGracePeriodSeconds -}}
{{- .Values.terminationGracePeriodSeconds | int -}}
{{- else -}}
{{- $server := .Values.config.server | default dict -}}
{{- $delay := include "parapet.seconds" ($server.drain_delay | default "5s") | int -}}
{{- $timeout := include "parapet.seconds" ($server.drain_timeout | default "30s") | int -}}
{{- add $delay $timeout 5 -}}
{{- end -}}
{{- end -}}

{{/* Values that the schema cannot judge. */}}
{{- define "parapet.check" -}}
{{- $store := .Values.config.store | default dict -}}
{{- if and (not .Values.existingConfig) (gt (include "parapet.replicas" . | int) 1) (ne ($store.backend | default "memory") "redis") -}}
{{- fail "several replicas (replicaCount, autoscaling.maxReplicas) need config.store.backend: redis; in memory they would not know each other's requests" -}}
{{- end -}}
{{- range .Values.config.clients -}}
{{- if hasKey . "secret" -}}
{{- fail (printf "config.clients: the secret of %s would lie in a ConfigMap; put the client into existingSecret, or give secret_sha256, secret_file or secret_env" .client_id) -}}
{{- end -}}
{{- end -}}
{{- if hasKey (.Values.config.upstream | default dict) "secret_header_value" -}}
{{- fail "config.upstream.secret_header_value would lie in a ConfigMap; give secret_header_value_file or secret_header_value_env" -}}
{{- end -}}
{{- end -}}

{{/* One value as TOML, on one line. What YAML read as a number has a fraction only where it was written. */}}
{{- define "parapet.value" -}}
{{- if kindIs "map" . -}}
{ {{- range $i, $key := keys . | sortAlpha }}{{ if $i }},{{ end }} {{ $key | toJson }} = {{ include "parapet.value" (get $ $key) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{- range $i, $item := . }}{{ if $i }}, {{ end }}{{ include "parapet.value" $item }}{{ end }}]
{{- else if kindIs "float64" . -}}
{{- ternary (int64 . | toString) (toString .) (eq (floor .) .) -}}
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- end -}}

{{/* `config` with what the chart sets, as the text of gateway.toml: plain keys first, then the tables. */}}
{{- define "parapet.gateway" -}}
{{- $set := dict "server" (dict "listen" (list "0.0.0.0:8080")) "admin" (dict "listen" "0.0.0.0:9901") -}}
{{- if .Values.deployment.enabled -}}
{{- $_ := set $set "store" (dict "replicas" (include "parapet.replicas" . | int)) -}}
{{- end -}}
{{- if .Values.existingSecret -}}
{{- $_ := set $set "clients_dir" "/etc/parapet/clients" -}}
{{- end -}}
{{- $config := mergeOverwrite (deepCopy .Values.config) $set -}}
{{- range $key := keys $config | sortAlpha -}}
{{- $value := get $config $key -}}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ include "parapet.value" $value }}
{{- end -}}
{{- end -}}
{{- range $name := keys $config | sortAlpha -}}
{{- $table := get $config $name -}}
{{- if kindIs "map" $table }}

[{{ $name }}]
{{- range $key := keys $table | sortAlpha }}
{{ $key }} = {{ include "parapet.value" (get $table $key) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "parapet.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* What a sidecar and a pod of its own have in common. */}}
{{- define "parapet.container" -}}
name: parapet
image: {{ include "parapet.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/parapet/gateway/gateway.toml]
ports:
  - name: http
    containerPort: 8080
  - name: admin
    containerPort: 9901
livenessProbe:
  httpGet:
    path: /livez
    port: 9901
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet:
    path: /readyz
    port: 9901
  periodSeconds: 2
  timeoutSeconds: 2
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  - name: parapet-gateway
    mountPath: /etc/parapet/gateway
    readOnly: true
  {{- if .Values.existingSecret }}
  - name: parapet-clients
    mountPath: /etc/parapet/clients
    readOnly: true
  {{- end }}
  {{- range $i, $mount := .Values.secretMounts }}
  - name: parapet-secret-{{ $i }}
    mountPath: {{ $mount.mountPath }}
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "parapet.volumes" -}}
- name: parapet-gateway
  configMap:
    name: {{ include "parapet.configMap" . }}
{{- if .Values.existingSecret }}
- name: parapet-clients
  secret:
    secretName: {{ .Values.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- range $i, $mount := .Values.secretMounts }}
- name: parapet-secret-{{ $i }}
  secret:
    secretName: {{ $mount.name }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
An entry of `initContainers`: the gateway as a native sidecar. A chart that has this one as a dependency
writes, in its own pod, and with the gateway's upstream on 127.0.0.1:

  metadata: {labels: …, {{ include "parapet.podSelector" .Subcharts.parapet }}}
  spec:
    terminationGracePeriodSeconds: {{ include "parapet.grace" .Subcharts.parapet }}
    initContainers:
      {{- include "parapet.sidecar" .Subcharts.parapet | nindent 6 }}
    volumes:
      {{- include "parapet.volumes" .Subcharts.parapet | nindent 6 }}
*/}}
{{- define "parapet.sidecar" -}}
- restartPolicy: Always
  {{- include "parapet.container" . | nindent 2 }}
  {{- with .Values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  startupProbe:
    # Not /startupz: that waits for the server, which starts only after this probe has passed.
    httpGet:
      path: /livez
      port: 9901
    periodSeconds: 1
    failureThreshold: 30
{{- end -}}
