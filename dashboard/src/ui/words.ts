// Times, durations and sources in words.
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' })

export const ago = (moment: string, now = Date.now()) => {
  const seconds = Math.round((Date.parse(moment) - now) / 1000)
  for (const [unit, size] of UNITS)
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit)
  return 'just now'
}

export const duration = (seconds: number | null | undefined) => {
  if (seconds == null) return ''
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/** A moment of today by its time, any other with its day. */
export const clock = (moment: string) => {
  const at = new Date(moment)
  const day = at.toDateString() === new Date().toDateString() ? {} : ({ day: 'numeric', month: 'short' } as const)
  return at.toLocaleString('en-GB', { ...day, hour: '2-digit', minute: '2-digit' })
}

export const bytes = (size: number | null | undefined) => {
  if (size == null) return ''
  let value = size
  let unit = 'B'
  for (const larger of ['KiB', 'MiB', 'GiB']) {
    if (Math.round(value) < 1024) break
    value /= 1024
    unit = larger
  }
  return `${value < 9.95 && unit !== 'B' ? value.toFixed(1) : Math.round(value)} ${unit}`
}

/** A name that anybody gave, inside of a sentence: the words around it keep their direction, whatever its own. */
export const named = (name: string) => `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, '')}\u2069`

export const counted = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`

export const shortCommit = (commit: string | null | undefined) => (commit ?? '').slice(0, 7)

export const isUpload = (address: string) => address.startsWith('upload://')

export const shortSource = (address: string) =>
  isUpload(address) ? 'Uploaded files' : address.replace(/^https?:\/\/(github\.com\/)?/, '').replace(/\.git$/, '')

export const TRIGGERS: Record<string, string> = {
  manual: 'Deployed',
  rollback: 'Rolled back',
  webhook: 'Pushed',
  upload: 'Uploaded',
  watch: 'Taken back by itself',
}
