// Environment variables: reading a pasted .env, and guessing which values are secret.
export interface Variable {
  key: string
  value: string
  secret: boolean
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const SECRET = /(SECRET|TOKEN|PASSWORD|PASSWD|PRIVATE|API_?KEY|CREDENTIAL|DSN|DATABASE_URL|REDIS_URL|AUTH)/i

export const looksSecret = (key: string, value: string) => SECRET.test(key) || /:\/\/[^/\s:]+:[^@\s]+@/.test(value)
export const isName = (key: string) => NAME.test(key)

/** Lines `KEY=value`, with `export`, quotes, comments and quoted values over several lines. */
export function parseDotenv(text: string): Variable[] {
  const found = new Map<string, string>()
  const pattern = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*("(?:\\[\s\S]|[^"\\])*"|'[^']*'|`[^`]*`|[^\r\n]*)/gm
  for (const [, key, raw] of text.matchAll(pattern)) {
    let value = (raw ?? '').trim()
    const quote = value[0]
    if (value.length > 1 && (quote === '"' || quote === "'" || quote === '`') && value.endsWith(quote)) {
      value = value.slice(1, -1)
      if (quote === '"') value = value.replace(/\\n/g, '\n').replace(/\\r/g, '\r').replace(/\\t/g, '\t').replace(/\\(["\\$])/g, '$1')
    } else value = value.replace(/\s+#.*$/, '')
    found.set(key!, value)
  }
  return [...found].map(([key, value]) => ({ key, value, secret: looksSecret(key, value) }))
}

const quoted = (value: string) => (/^[\w./:@,+=*-]*$/.test(value) ? value : `"${value.replace(/(["\\$])/g, '\\$1').replace(/\n/g, '\\n')}"`)

/** All variables as a .env; a stored secret shows as what keeps it. */
export const asDotenv = (variables: Variable[]) => variables.filter(entry => entry.key).map(entry => `${entry.key}=${quoted(entry.value)}`).join('\n')

/** What such a text says; what was secret before stays so. */
export function fromText(text: string, before: Variable[]): Variable[] {
  const secret = new Set(before.filter(entry => entry.secret).map(entry => entry.key))
  return parseDotenv(text).map(entry => ({ ...entry, secret: entry.secret || secret.has(entry.key) }))
}

export const asBody = (variables: Variable[]) => ({
  envVars: Object.fromEntries(variables.filter(entry => entry.key).map(entry => [entry.key, entry.value])),
  secretKeys: variables.filter(entry => entry.key && entry.secret).map(entry => entry.key),
})
