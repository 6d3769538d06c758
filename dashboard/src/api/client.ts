// The one place that talks to the API. Errors carry what the server says to do.
import type { components } from './schema'

export type App = components['schemas']['AppAnswer']
export type Deployment = components['schemas']['DeploymentAnswer']
export type RollbackAnswer = components['schemas']['RollbackAnswer']
export type Plan = components['schemas']['PlanAnswer']
export type LogLine = components['schemas']['LogLine']
export type Health = components['schemas']['Health']
export type Agent = components['schemas']['AgentAnswer']
export type AgentWithToken = components['schemas']['AgentWithToken']
export type Scopes = components['schemas']['ScopesAnswer']
export type Approval = components['schemas']['ApprovalAnswer']
export type AuditEntry = components['schemas']['AuditAnswer']
export type AuditProof = components['schemas']['ProofAnswer']
export type Checkpoint = components['schemas']['CheckpointAnswer']
export type Keys = components['schemas']['KeysAnswer']
export type Project = components['schemas']['ProjectSummary']
export type Security = components['schemas']['SecurityAnswer']
export type TrustRule = components['schemas']['TrustAnswer']
export type DomainState = components['schemas']['DomainAnswer']
export type Routing = components['schemas']['RoutingAnswer']
export type TrashedApp = components['schemas']['TrashedApp']
export type StoredVolume = components['schemas']['VolumeAnswer']
export type ProjectDetail = components['schemas']['ProjectDetail']
export type Comparison = components['schemas']['CompareAnswer']
export type Metrics = components['schemas']['MetricsAnswer']
export type Findings = components['schemas']['DoctorAnswer']
export type CloudflareState = components['schemas']['CloudflareStatus']
export type ServerInfo = components['schemas']['ServerInfo']

const KEY = 'better-paas-token'

export const session = {
  token: () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? '',
  keep(token: string, onThisDevice: boolean) {
    ;(onThisDevice ? localStorage : sessionStorage).setItem(KEY, token)
  },
  end() {
    sessionStorage.removeItem(KEY)
    localStorage.removeItem(KEY)
    location.assign('/')
  },
}

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint: string | null,
    readonly requestId: string | null,
    readonly quoted: string | null = null,
    readonly code = '',
  ) {
    super(message)
  }
}

const headers = (token = session.token()) => ({
  Authorization: `Bearer ${token}`,
  'Content-Type': 'application/json',
  'X-Better-Paas-Client': 'dashboard',
})

const asError = async (response: Response) => {
  const body = await response.json().catch(() => null)
  const text = body?.error ?? `The server answered ${response.status}`
  return new ApiError(
    text,
    response.status,
    body?.hint ?? null,
    body?.requestId ?? null,
    body?.quoted ?? null,
    body?.code ?? '',
  )
}

async function call<T>(method: string, path: string, body?: unknown, token?: string): Promise<T> {
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers: headers(token),
      body: body === undefined ? undefined : JSON.stringify(body),
    })
  } catch {
    throw new ApiError('The server does not answer', 0, 'Is it running? This page tries again by itself.', null)
  }
  if (response.status === 401 && token === undefined) session.end()
  if (!response.ok) throw await asError(response)
  return response.json()
}

export const get = <T>(path: string, query: Record<string, string | number | undefined> = {}) => {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString()
  return call<T>('GET', text ? `${path}?${text}` : path)
}
export const post = <T>(path: string, body: unknown = {}) => call<T>('POST', path, body)
/** A page of a list, and where the next one begins. */
export async function getPage<T>(
  path: string,
  query: Record<string, string | number | undefined>,
): Promise<{ items: T[]; next: string | null }> {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const response = await fetch(`${path}?${new URLSearchParams(set.map(([key, value]) => [key, String(value)]))}`, {
    headers: headers(),
  })
  if (!response.ok) throw await asError(response)
  return { items: await response.json(), next: response.headers.get('X-Next-Cursor') }
}
export const verify = (token: string) => call<{ valid: boolean }>('POST', '/api/auth/verify', { token }, '')

export interface StreamEvent {
  id: string
  name: string
  data: unknown
}

/** Server-sent events with the token in a header, where EventSource could only put it into the address. */
export async function* stream(path: string, signal: AbortSignal, lastId = ''): AsyncGenerator<StreamEvent> {
  const response = await fetch(path, {
    headers: { ...headers(), ...(lastId ? { 'Last-Event-ID': lastId } : {}) },
    signal,
  })
  if (!response.ok || !response.body) throw await asError(response)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const fields: Record<string, string> = {}
      for (const line of event.split('\n')) {
        const colon = line.indexOf(': ')
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2)
      }
      if (fields.data) yield { id: fields.id ?? '', name: fields.event ?? 'message', data: JSON.parse(fields.data) }
    }
  }
}
