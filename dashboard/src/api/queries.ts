import { QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { notifications } from '@mantine/notifications'
import { ApiError, get, post, stream, type App, type Deployment, type Health, type ServerInfo } from './client'

export const queryClient = new QueryClient({
  defaultOptions: { queries: { staleTime: Infinity, retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500 && error.status > 0) } },
})

export const useApps = () => useQuery({ queryKey: ['apps'], queryFn: () => get<App[]>('/api/apps') })
export const useApp = (id: string) =>
  useQuery({ queryKey: ['apps', id], queryFn: () => get<App>('/api/apps/get', { id }), enabled: id !== '' })
export const useDeployments = (appId?: string, status?: string) =>
  useQuery({
    queryKey: ['deployments', appId ?? '', status ?? ''],
    queryFn: () => get<Deployment[]>('/api/deployments/history', { appId, status, limit: 50 }),
  })
export const useDeployment = (id: string) =>
  useQuery({ queryKey: ['deployments', 'one', id], queryFn: () => get<Deployment>('/api/deployments/get', { id }) })
export const useHealth = () =>
  useQuery({ queryKey: ['health'], queryFn: () => get<Health>('/api/health'), staleTime: 0 })
export const useServer = () => useQuery({ queryKey: ['server'], queryFn: () => get<ServerInfo>('/api/server/info') })

export const tellError = (error: unknown) => {
  const known = error instanceof ApiError ? error : null
  notifications.show({
    color: 'red',
    title: error instanceof Error ? error.message : 'Something went wrong',
    message: [known?.hint, known?.requestId && `Request ${known.requestId}`].filter(Boolean).join(' · '),
    autoClose: 10_000,
  })
}

/** A change by POST: a toast when it is done or fails; what it touched is loaded afresh. */
export function useAction<Answer = unknown>(path: string, done?: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: unknown) => post<Answer>(path, body),
    onSuccess: async () => {
      if (done) notifications.show({ message: done, color: 'green' })
      await Promise.all([
        client.invalidateQueries({ queryKey: ['apps'] }),
        client.invalidateQueries({ queryKey: ['deployments'] }),
      ])
    },
    onError: tellError,
  })
}

const KEYS: Record<string, string[]> = { app: ['apps'], deployment: ['deployments', 'apps'], project: ['apps'] }

/** Live data: what the server says has changed is loaded again. Ends with the signal. */
export async function followEvents(signal: AbortSignal) {
  for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, 15_000)) {
    try {
      for await (const event of stream('/api/events', signal)) {
        pause = 500
        const { topic } = event.data as { topic: string }
        // After a gap anything may have changed.
        const keys = KEYS[topic] ?? ['apps', 'deployments', 'health']
        for (const key of keys) void queryClient.invalidateQueries({ queryKey: [key] })
      }
    } catch {
      if (signal.aborted) return
    }
    await new Promise(resolve => setTimeout(resolve, pause))
  }
}
