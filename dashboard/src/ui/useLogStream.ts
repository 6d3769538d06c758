import { useEffect, useState } from 'react'
import { ApiError, type LogLine, stream } from '../api/client'

const MOST_LINES = 50_000

/** Lines of a log stream as they come; a broken stream resumes where it was. */
export function useLogStream(path: string | null) {
  const [lines, setLines] = useState<LogLine[]>([])
  const [state, setState] = useState<'live' | 'ended'>('live')
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    setLines([])
    setState('live')
    setError(null)
    if (!path) return
    const abort = new AbortController()
    const run = async () => {
      let last = ''
      for (let pause = 500; !abort.signal.aborted; pause = Math.min(pause * 2, 10_000)) {
        try {
          // Without ids a stream can't be resumed: what it had comes again.
          if (!last) setLines([])
          for await (const event of stream(path, abort.signal, last)) {
            if (event.name === 'end') return setState('ended')
            last = event.id || last
            pause = 500
            const fresh = event.data as LogLine[]
            if (fresh.length) setLines(old => [...old, ...fresh].slice(-MOST_LINES))
          }
        } catch (failure) {
          if (abort.signal.aborted) return
          if (failure instanceof ApiError && failure.status >= 400) return setError(failure)
        }
        await new Promise(resolve => setTimeout(resolve, pause))
      }
    }
    void run()
    return () => abort.abort()
  }, [path])
  return { lines, live: state === 'live', error }
}
