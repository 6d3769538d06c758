import { notifications } from '@mantine/notifications'
import { QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { undoMessage } from '../ui/undo'
import {
  type Agent,
  ApiError,
  type App,
  type Approval,
  type CloudflareState,
  type Comparison,
  type Deployment,
  type DomainState,
  type Findings,
  get,
  type Health,
  type Keys,
  type Project,
  type ProjectDetail,
  post,
  type Routing,
  type Scopes,
  type Security,
  type ServerInfo,
  type StoredVolume,
  stream,
  type TrashedApp,
  type TrustRule,
} from './client'

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Infinity,
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500 && error.status > 0),
    },
  },
})

export const useApps = () => useQuery({ queryKey: ['apps'], queryFn: () => get<App[]>('/api/apps') })
export const useApp = (id: string) =>
  useQuery({ queryKey: ['apps', id], queryFn: () => get<App>('/api/apps/get', { id }), enabled: id !== '' })
/** Whether a deployment is live, and it is yet to be seen that its processes stay up. */
export const settling = (deployment: Deployment) => deployment.status === 'success' && !deployment.settled
/** No event tells of the end of that. */
const UNTIL_SETTLED = 1000

export const useDeployments = (appId?: string, status?: string) =>
  useQuery({
    queryKey: ['deployments', appId ?? '', status ?? ''],
    queryFn: () => get<Deployment[]>('/api/deployments/history', { appId, status, limit: 50 }),
    refetchInterval: query => (query.state.data?.some(settling) ? UNTIL_SETTLED : false),
  })
export const useDeployment = (id: string) =>
  useQuery({
    queryKey: ['deployments', 'one', id],
    queryFn: () => get<Deployment>('/api/deployments/get', { id }),
    refetchInterval: query => (query.state.data && settling(query.state.data) ? UNTIL_SETTLED : false),
  })
export const useHealth = () =>
  useQuery({ queryKey: ['health'], queryFn: () => get<Health>('/api/health'), staleTime: 0 })
export const useServer = () => useQuery({ queryKey: ['server'], queryFn: () => get<ServerInfo>('/api/server/info') })

export const useDomains = (id: string) =>
  useQuery({
    queryKey: ['apps', id, 'domains'],
    queryFn: () => get<DomainState[]>('/api/apps/domains', { id }),
    staleTime: 10_000,
  })
export const useRouting = (id: string) =>
  useQuery({ queryKey: ['apps', id, 'routing'], queryFn: () => get<Routing>('/api/apps/routing', { id }) })
export const useTrash = () =>
  useQuery({ queryKey: ['apps', 'trash'], queryFn: () => get<TrashedApp[]>('/api/apps/trash') })
export const useVolumes = () =>
  useQuery({ queryKey: ['apps', 'volumes'], queryFn: () => get<StoredVolume[]>('/api/volumes') })
export const useProject = (id: string) =>
  useQuery({ queryKey: ['apps', 'projects', id], queryFn: () => get<ProjectDetail>('/api/projects/get', { id }) })
export const useCompare = (id: string) =>
  useQuery({
    queryKey: ['deployments', 'compare', id],
    queryFn: () => get<Comparison>('/api/deployments/compare', { id }),
  })
export const useDoctor = () =>
  useQuery({ queryKey: ['doctor'], queryFn: () => get<Findings>('/api/system/doctor'), enabled: false })

export const useProjects = () =>
  useQuery({ queryKey: ['apps', 'projects'], queryFn: () => get<Project[]>('/api/projects') })
export const useAgents = () => useQuery({ queryKey: ['agents'], queryFn: () => get<Agent[]>('/api/agents') })
export const useTrust = () => useQuery({ queryKey: ['agents', 'trust'], queryFn: () => get<TrustRule[]>('/api/trust') })
export const useScopes = () => useQuery({ queryKey: ['scopes'], queryFn: () => get<Scopes>('/api/agents/scopes') })
export const useFrozen = () =>
  useQuery({ queryKey: ['agents', 'frozen'], queryFn: () => get<{ frozen: boolean }>('/api/agents/freeze') })
export const useApprovals = (status: 'pending' | 'all') =>
  useQuery({
    queryKey: ['approvals', status],
    queryFn: () => get<Approval[]>('/api/approvals', { status }),
    refetchInterval: 60_000,
  })
export const useSecurity = () =>
  useQuery({ queryKey: ['security'], queryFn: () => get<Security>('/api/security'), staleTime: 0 })
export const useCloudflare = () =>
  useQuery({ queryKey: ['cloudflare'], queryFn: () => get<CloudflareState>('/api/cloudflare/status'), staleTime: 0 })
export const useKeys = () => useQuery({ queryKey: ['keys'], queryFn: () => get<Keys>('/api/keys'), staleTime: 0 })

export const tellError = (error: unknown) => {
  const known = error instanceof ApiError ? error : null
  notifications.show({
    color: 'red',
    title: error instanceof Error ? error.message : 'Something went wrong',
    message: [
      known?.quoted && `It said: “${known.quoted}”`,
      known?.hint,
      known?.requestId && `Request ${known.requestId}`,
    ]
      .filter(Boolean)
      .join(' · '),
    autoClose: 10_000,
  })
}

/** A toast that turns while `work` goes on. */
export async function whileIt<T>(message: string, work: Promise<T>): Promise<T> {
  const id = notifications.show({ loading: true, message, autoClose: false, withCloseButton: false })
  try {
    return await work
  } finally {
    notifications.hide(id)
  }
}

/** A toast with a way back, for what can be undone. */
export function tellUndo(message: string, undo: () => void) {
  const id = notifications.show({
    color: 'green',
    autoClose: 15_000,
    message: undoMessage(message, () => {
      notifications.hide(id)
      undo()
    }),
  })
}

/** A change by POST: a toast when it is done or fails; what it touched is loaded afresh.
 *  refused: by the code of a refusal, what is done instead of a toast, with what is there now loaded. */
export function useAction<Answer = unknown>(
  path: string,
  done?: string,
  refused: Record<string, (error: ApiError) => void> = {},
) {
  const client = useQueryClient()
  const refresh = () => Promise.all(TOUCHED.map(key => client.invalidateQueries({ queryKey: [key] })))
  return useMutation({
    mutationFn: (body: unknown) => post<Answer>(path, body),
    onSuccess: async () => {
      if (done) notifications.show({ message: done, color: 'green' })
      await refresh()
    },
    onError: async error => {
      const instead = error instanceof ApiError ? refused[error.code] : undefined
      if (!instead) return tellError(error)
      await refresh()
      instead(error as ApiError)
    },
  })
}

const TOUCHED = ['apps', 'deployments', 'agents', 'approvals', 'keys', 'cloudflare']
const KEYS: Record<string, string[]> = {
  app: ['apps'],
  deployment: ['deployments', 'apps'],
  project: ['apps'],
  agent: ['agents'],
  approval: ['approvals'],
  audit: ['audit'],
}

/** Live data: what the server says has changed is loaded again. Ends with the signal. */
export async function followEvents(signal: AbortSignal) {
  for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, 15_000)) {
    try {
      for await (const event of stream('/api/events', signal)) {
        pause = 500
        const { topic } = event.data as { topic: string }
        // After a gap anything may have changed.
        const keys = KEYS[topic] ?? ['apps', 'deployments', 'health', 'agents', 'approvals', 'audit']
        for (const key of keys) void queryClient.invalidateQueries({ queryKey: [key] })
      }
    } catch {
      if (signal.aborted) return
    }
    await new Promise(resolve => setTimeout(resolve, pause))
  }
}
