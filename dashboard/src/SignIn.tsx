import { Button, Checkbox, PasswordInput, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { session, verify } from './api/client'
import { Fault } from './ui/parts'

export function SignIn() {
  const [token, setToken] = useState('')
  const [keep, setKeep] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const submit = async () => {
    setBusy(true)
    setError(null)
    try {
      await verify(token.trim())
      session.keep(token.trim(), keep)
      location.reload()
    } catch (failure) {
      setError(failure)
      setBusy(false)
    }
  }
  return (
    <main className="signin">
      <form
        className="panel"
        onSubmit={event => {
          event.preventDefault()
          void submit()
        }}
      >
        <Stack>
          <div>
            <img src="/icon.svg" width={32} height={32} alt="" />
            <h1>Sign in to Better-PaaS</h1>
            <Text c="dimmed" size="sm">
              On the server, <code>better-paas token</code> shows the admin token.
            </Text>
          </div>
          <PasswordInput
            label="Admin token"
            value={token}
            onChange={event => setToken(event.currentTarget.value)}
            autoComplete="current-password"
            data-autofocus
            autoFocus
            visibilityToggleButtonProps={{ 'aria-label': 'Show the token' }}
          />
          <Checkbox
            label="Stay signed in on this device"
            checked={keep}
            onChange={event => setKeep(event.currentTarget.checked)}
          />
          {error !== null && <Fault error={error} />}
          <Button type="submit" loading={busy} disabled={!token.trim()}>
            Sign in
          </Button>
        </Stack>
      </form>
    </main>
  )
}
