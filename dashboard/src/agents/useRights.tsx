import { Checkbox, MultiSelect, Radio, SegmentedControl, Select, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { post } from '../api/client'
import { useApps, useProjects, useScopes } from '../api/queries'
import { Fault } from '../ui/parts'

const EXPIRIES = [
  { value: '7', label: 'in 7 days' },
  { value: '30', label: 'in 30 days' },
  { value: '90', label: 'in 90 days' },
  { value: '365', label: 'in a year' },
  { value: 'never', label: 'never' },
]

/** What a token allows, as a form: its fields for the API, its inputs, and in words what it could do.
 *  own: scopes can be chosen one by one. expires: a life can be chosen. first: the profile to begin with.
 *  more: further fields that count. */
export function useRights({
  own = false,
  expires = true,
  enabled = true,
  first = '',
  more = {},
}: {
  own?: boolean
  expires?: boolean
  enabled?: boolean
  first?: string
  more?: object
}) {
  const scopes = useScopes()
  const apps = useApps()
  const projects = useProjects()
  const [profile, setProfile] = useState(['observer', 'operator'].includes(first) ? first : 'deployer')
  const [chosen, setChosen] = useState<string[]>(['apps:read'])
  const [where, setWhere] = useState('all')
  const [places, setPlaces] = useState<string[]>([])
  const [expiry, setExpiry] = useState<string>('90')

  const picked = (kind: string) => places.filter(place => place.startsWith(kind)).map(place => place.slice(kind.length))
  const fields = {
    ...(profile === 'own' ? { scopes: chosen } : { profile }),
    ...(where === 'some' && places.length ? { projects: picked('project '), apps: picked('app ') } : {}),
    ...(expires ? (expiry === 'never' ? { neverExpires: true } : { expiresInDays: Number(expiry) }) : {}),
    ...more,
  }
  const complete = (profile !== 'own' || chosen.length > 0) && (where === 'all' || places.length > 0)
  const can = useQuery({
    queryKey: ['describe', fields],
    queryFn: () => post<{ can: string[] }>('/api/agents/describe', fields),
    enabled: enabled && complete,
    placeholderData: before => before,
  })
  const inputs = (
    <>
      <Radio.Group label="What it may do" value={profile} onChange={setProfile}>
        <Stack gap={6} mt={6}>
          <Radio value="observer" label="Observer: reads apps, logs and figures" />
          <Radio value="deployer" label="Deployer: also deploys, changes, stops and starts apps" />
          <Radio value="operator" label="Operator: also databases, jobs, backups, servers and notifications" />
          {own && <Radio value="own" label="Choose scopes one by one" />}
        </Stack>
      </Radio.Group>
      {profile === 'own' && scopes.data && (
        <Checkbox.Group value={chosen} onChange={setChosen} label="Scopes">
          <Stack gap={6} mt={6}>
            {scopes.data.scopes.map(entry => (
              <Checkbox
                key={entry.scope}
                value={entry.scope}
                label={
                  <>
                    <code>{entry.scope}</code>{' '}
                    <Text span size="sm" c="dimmed">
                      {entry.allows}
                    </Text>
                  </>
                }
              />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
      <div>
        <Text size="sm" fw={500} mb={4} id="where-label">
          Where
        </Text>
        <SegmentedControl
          aria-labelledby="where-label"
          size="xs"
          value={where}
          onChange={setWhere}
          data={[
            { value: 'all', label: 'Everywhere' },
            { value: 'some', label: 'Chosen projects and apps' },
          ]}
        />
        {where === 'some' && (
          <MultiSelect
            mt="xs"
            aria-label="Projects and apps"
            searchable
            value={places}
            onChange={setPlaces}
            placeholder={places.length ? undefined : 'Choose at least one'}
            data={[
              {
                group: 'Projects, with all their apps',
                items: (projects.data ?? []).map(entry => ({ value: `project ${entry.id}`, label: entry.name })),
              },
              {
                group: 'Apps',
                items: (apps.data ?? []).map(entry => ({ value: `app ${entry.id}`, label: `${entry.name} (app)` })),
              },
            ]}
          />
        )}
      </div>
    </>
  )
  const life = (
    <Select
      label="It ends"
      data={EXPIRIES}
      value={expiry}
      onChange={value => setExpiry(value ?? '90')}
      allowDeselect={false}
    />
  )
  const words = (
    <section className="panel" aria-label="This token can" aria-live="polite">
      <header>
        <h2>This token can</h2>
      </header>
      <div className="inside">
        {can.isError ? (
          <Fault error={can.error} />
        ) : (
          <ul className="can">
            {(can.data?.can ?? []).map(line => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        )}
      </div>
    </section>
  )
  return { fields, complete, inputs, life, words }
}
