// What secrets look like: the same rule as the server's and the CLI's (src/better_paas/kit/secret_forms.py);
// tests/secret_names.json is true of both.

const FORMS = [
  /:\/\/[^/\s@:]+(:[^/\s@]*)?@/,
  /bpagt_[\w-]{8}/,
  /(bearer|basic)[ \t]+[\w.~+/=-]{8}/i,
  /(token|ticket|password|secret)=[^&\s"']/i,
  /PRIVATE KEY-----/,
]
// Of names in small letters: what may stand anywhere, what is a word of its own, and ends.
const TELLING =
  /secret|token|passw|passphrase|credential|private|apikey|authorization|cookie|(^|_)(auth|dsn|pass|pgpass|pwd|salt)(_|$)|(?<!public|publishable)_key$|(database|redis)_url$/
// Meant for everyone: variables that front ends put into their pages.
const PUBLIC = /^(expo_public|gatsby|next_public|nuxt_public|public|react_app|vite|vue_app)_/

const isSecretName = (name: string) => TELLING.test(name) && !PUBLIC.test(name)

/** Whether a variable's name or its value's form says that it is a secret. */
export const looksSecret = (name: string, value: string) =>
  isSecretName(name.toLowerCase()) || FORMS.some(form => form.test(value))
