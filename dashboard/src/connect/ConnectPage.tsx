import { Button, Group, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useRights } from '../agents/useRights'
import { post } from '../api/client'
import { useAction } from '../api/queries'
import { Fault, Head, Loading } from '../ui/parts'

/** A program asks for a token: who it is, what it would get, and a person's yes or no. */
export function ConnectPage() {
  const asked = new URLSearchParams(location.search)
  const question = {
    clientId: asked.get('client_id') ?? '',
    redirectUri: asked.get('redirect_uri') ?? '',
    state: asked.get('state') ?? '',
    codeChallenge: asked.get('code_challenge') ?? '',
    codeChallengeMethod: asked.get('code_challenge_method') ?? '',
    resource: asked.get('resource') ?? '',
  }
  const client = useQuery({
    queryKey: ['connect', question],
    queryFn: () => post<{ name: string; place: string; own: boolean }>('/api/connect/agent/look', question),
    retry: false,
  })
  if (client.isPending) return <Loading />
  if (client.isError)
    return (
      <>
        <Head title="This sign-in can't go on" truth="Start it again in the program that sent you here." />
        <Fault error={client.error} />
      </>
    )
  return (
    <Consent
      client={client.data}
      question={question}
      suggested={(asked.get('name') ?? '').slice(0, 80)}
      profile={asked.get('profile') ?? ''}
    />
  )
}

function Consent({
  client,
  question,
  suggested,
  profile,
}: {
  client: { name: string; place: string; own: boolean }
  question: object
  suggested: string
  profile: string
}) {
  const [name, setName] = useState(suggested || client.name)
  const [left, setLeft] = useState('')
  const rights = useRights({ first: profile })
  const approve = useAction<{ callbackUrl: string }>('/api/connect/agent/approve')
  const deny = useAction<{ callbackUrl: string }>('/api/connect/agent/deny')
  const go = (word: string) => ({
    onSuccess: (answer: { callbackUrl: string }) => {
      setLeft(word)
      location.assign(answer.callbackUrl)
    },
  })
  const who = client.own ? 'The paas command' : `A program that calls itself “${client.name}”`
  if (left) return <Head title={left} truth="Going back to the program. You can close this page." />
  return (
    <>
      <Head
        title={client.own ? 'Authorize CLI' : `Authorize ${client.name}`}
        truth={`${who} wants a token for ${location.host}.`}
      />
      <form
        onSubmit={event => {
          event.preventDefault()
          approve.mutate({ ...question, name, ...rights.fields }, go('Authorized'))
        }}
      >
        <div className="split">
          <Stack gap="md">
            <dl className="facts">
              <dt>Asks</dt>
              <dd>{client.own ? 'paas CLI' : `${client.name} (nobody has checked this name)`}</dd>
              <dt>Its answer goes to</dt>
              <dd>{client.place}</dd>
              <dt>Server</dt>
              <dd>{location.host}</dd>
            </dl>
            <div className="notice attention">
              Go on only if you started this yourself, just now. It gets a token of its own; your sign-in stays here.
            </div>
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
              <Button type="submit" loading={approve.isPending} disabled={!rights.complete || !name.trim()}>
                {client.own ? 'Authorize CLI' : 'Authorize'}
              </Button>
              <Button variant="default" loading={deny.isPending} onClick={() => deny.mutate(question, go('Refused'))}>
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
