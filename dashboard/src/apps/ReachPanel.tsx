import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useEffect, useState } from 'react'
import type { App } from '../api/client'
import { useAction } from '../api/queries'
import { Panel } from '../ui/parts'

/** What this app alone may reach of what the server keeps apps from. */
export function ReachPanel({ app }: { app: App }) {
  const stored = app.reach.join('\n')
  const [text, setText] = useState(stored)
  const save = useAction('/api/apps/reach', 'Saved, and in effect')
  useEffect(() => setText(stored), [stored])
  const wanted = text
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
  return (
    <Panel
      title="May reach"
      aside={
        <Text size="xs" c="dimmed">
          The first one counts from the next deployment on, others at once.
        </Text>
      }
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          save.mutate({ id: app.id, reach: wanted })
        }}
      >
        <Stack gap="sm">
          <Textarea
            label="Opened for this app"
            description="One a line, such as 172.17.0.1:5432; without a port all of them are open, and a network is 10.0.0.0/24. IPv6 in brackets."
            placeholder="nothing"
            classNames={{ input: 'mono' }}
            autosize
            minRows={2}
            value={text}
            onChange={event => setText(event.currentTarget.value)}
          />
          <Text size="xs" c="dimmed">
            The server keeps apps from its own addresses and from the cloud&apos;s metadata; the internet and your
            private network are open anyway. Connections that stand are not ended.
          </Text>
          <Group>
            <Button type="submit" variant="default" disabled={wanted.join('\n') === stored} loading={save.isPending}>
              Save what it may reach
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  )
}
