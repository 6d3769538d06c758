import { Button, Group, Radio, Stack, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useRights } from '../agents/useRights'
import { useAction } from '../api/queries'
import { Head } from '../ui/parts'

type Waiting = { name: string; machine: string; address: string; ageSeconds: number; choices: string[] }

/** A terminal without a browser: type its code, recognise its words, then say yes or no. */
export function DevicePage() {
  const [code, setCode] = useState('')
  const [waiting, setWaiting] = useState<Waiting | null>(null)
  const [ended, setEnded] = useState('')
  const look = useAction<Waiting>('/api/connect/device/look')
  if (ended)
    return (
      <Head
        title={ended}
        truth={
          ended === 'Connected'
            ? 'The terminal goes on by itself. You can close this page.'
            : 'The terminal was told. You can close this page.'
        }
      />
    )
  if (waiting) return <Decision code={code} waiting={waiting} onEnd={setEnded} />
  return (
    <>
      <Head title="Connect a terminal" truth="Type the code that the paas command shows there." />
      <form
        style={{ maxWidth: 320 }}
        onSubmit={event => {
          event.preventDefault()
          look.mutate({ userCode: code.trim() }, { onSuccess: setWaiting })
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Code"
            placeholder="BCDF-GHJK"
            value={code}
            onChange={event => setCode(event.currentTarget.value.toUpperCase())}
            maxLength={12}
            autoComplete="off"
            data-autofocus
            autoFocus
            required
          />
          <Group>
            <Button type="submit" loading={look.isPending} disabled={code.replace(/[^A-Z]/g, '').length !== 8}>
              Go on
            </Button>
          </Group>
        </Stack>
      </form>
    </>
  )
}

function Decision({ code, waiting, onEnd }: { code: string; waiting: Waiting; onEnd: (word: string) => void }) {
  const [name, setName] = useState(waiting.name)
  const [words, setWords] = useState('')
  const rights = useRights({})
  const approve = useAction('/api/connect/device/approve')
  const deny = useAction('/api/connect/device/deny')
  const userCode = code.trim()
  return (
    <>
      <Head title="Authorize a terminal" truth={`It wants a token for ${location.host}.`} />
      <form
        onSubmit={event => {
          event.preventDefault()
          approve.mutate(
            { userCode, words, name, ...rights.fields },
            { onSuccess: () => onEnd('Connected'), onError: () => onEnd('Not connected') },
          )
        }}
      >
        <div className="split">
          <Stack gap="md">
            <dl className="facts">
              <dt>Asks</dt>
              <dd>{waiting.machine || waiting.name} (as it says)</dd>
              <dt>From the address</dt>
              <dd>
                <code>{waiting.address}</code>
              </dd>
              <dt>Since</dt>
              <dd>{waiting.ageSeconds} s</dd>
            </dl>
            <div className="notice attention">
              Did somebody send you this code? Then deny it: the token would be theirs.
            </div>
            <Radio.Group
              label="Which words does the terminal show?"
              description="Other words than its own end the sign-in."
              value={words}
              onChange={setWords}
              required
            >
              <Stack gap={6} mt={6}>
                {waiting.choices.map(pair => (
                  <Radio key={pair} value={pair} label={pair} />
                ))}
              </Stack>
            </Radio.Group>
            <TextInput
              label="Name of the token"
              value={name}
              onChange={event => setName(event.currentTarget.value)}
              maxLength={80}
              required
            />
            {rights.inputs}
            {rights.life}
            <Group gap="xs">
              <Button type="submit" loading={approve.isPending} disabled={!words || !rights.complete || !name.trim()}>
                Authorize
              </Button>
              <Button
                variant="default"
                loading={deny.isPending}
                onClick={() => deny.mutate({ userCode }, { onSuccess: () => onEnd('Refused') })}
              >
                Deny
              </Button>
            </Group>
          </Stack>
          {rights.words}
        </div>
      </form>
    </>
  )
}
