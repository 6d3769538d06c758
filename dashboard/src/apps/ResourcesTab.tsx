import { Text } from '@mantine/core'
import { useEffect, useState } from 'react'
import { type App, get, type Metrics } from '../api/client'
import { Fault, Panel } from '../ui/parts'
import { bytes } from '../ui/words'

const KEPT = 90

/** CPU and memory while this page is looked at: each look takes the engine a second. */
export function ResourcesTab({ app }: { app: App }) {
  const [seen, setSeen] = useState<Metrics[]>([])
  const [error, setError] = useState<unknown>(null)
  const runs = app.status === 'running'
  useEffect(() => {
    if (!runs) return
    let ended = false
    const look = async () => {
      while (!ended) {
        try {
          const found = await get<Metrics>('/api/apps/metrics', { id: app.id })
          if (!ended) {
            setSeen(old => [...old, found].slice(-KEPT))
            setError(null)
          }
        } catch (problem) {
          if (!ended) setError(problem)
        }
        await new Promise(resolve => setTimeout(resolve, document.hidden ? 10_000 : 1000))
      }
    }
    void look()
    return () => {
      ended = true
    }
  }, [app.id, runs])
  if (!runs)
    return (
      <div className="panel empty">
        <h2>It takes nothing now</h2>
        <p>CPU and memory show up here while the app runs.</p>
      </div>
    )
  const last = seen.at(-1)
  return (
    <div className="stack">
      {error !== null && <Fault error={error} />}
      <Panel title="CPU" aside={last && <Text size="sm">{(last.cpu * 100).toFixed(1)} % of a core</Text>}>
        <Line
          values={seen.map(entry => entry.cpu)}
          most={Math.max(0.1, ...seen.map(entry => entry.cpu))}
          label={last ? `CPU: ${(last.cpu * 100).toFixed(1)} % of a core` : 'CPU'}
        />
      </Panel>
      <Panel
        title="Memory"
        aside={
          last && (
            <Text size="sm">
              {bytes(last.memory)}
              {last.memoryLimit > 0 && ` of ${bytes(last.memoryLimit)}`}
            </Text>
          )
        }
      >
        <Line
          values={seen.map(entry => entry.memory)}
          most={last?.memoryLimit || Math.max(1, ...seen.map(entry => entry.memory))}
          label={last ? `Memory: ${bytes(last.memory)}` : 'Memory'}
        />
      </Panel>
      {last && (
        <Text size="sm" c="dimmed">
          {last.processes} processes and threads. The limits are in Settings; they take effect with the next deployment.
        </Text>
      )}
    </div>
  )
}

function Line({ values, most, label }: { values: number[]; most: number; label: string }) {
  if (values.length < 2)
    return (
      <Text size="sm" c="dimmed" role="status">
        Measuring …
      </Text>
    )
  const points = values.map(
    (value, index) => `${((index / (KEPT - 1)) * 600).toFixed(1)},${(78 - (value / most) * 74).toFixed(1)}`,
  )
  return (
    <svg viewBox="0 0 600 80" role="img" aria-label={label} className="chart" preserveAspectRatio="none">
      <polyline points={points.join(' ')} />
    </svg>
  )
}
