// Renders /api/openapi.json. All text goes in as text, never as HTML.
const element = (name, text, className) => {
  const made = document.createElement(name)
  if (text) made.textContent = text
  if (className) made.className = className
  return made
}

const resolve = (document_, schema) => {
  if (!schema) return null
  if (!schema.$ref) return schema
  return schema.$ref.slice(2).split('/').reduce((node, key) => node[key], document_)
}

const fields = (document_, schema) => {
  const found = resolve(document_, schema)
  if (!found?.properties) return JSON.stringify(found, null, 2)
  const required = new Set(found.required ?? [])
  return Object.entries(found.properties)
    .map(([name, field]) => {
      const type = field.type ?? field.anyOf?.map(option => option.type ?? 'object').join(' | ') ?? 'object'
      return `${name}${required.has(name) ? '*' : ''}: ${type}${field.description ? '  — ' + field.description : ''}`
    })
    .join('\n')
}

const show = document_ => {
  const groups = new Map()
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, call] of Object.entries(methods)) {
      const group = call.tags?.[0] ?? 'Other'
      if (!groups.has(group)) groups.set(group, [])
      groups.get(group).push({ path, method, call })
    }
  }
  const calls = document.getElementById('calls')
  for (const [group, entries] of groups) {
    calls.append(element('h2', group))
    for (const { path, method, call } of entries) {
      const box = element('details')
      const head = element('summary')
      head.append(element('span', method.toUpperCase(), 'method'), element('code', path))
      box.append(head, element('p', call.description ?? call.summary))
      const scopes = call.security?.flatMap(entry => Object.values(entry).flat()) ?? []
      box.append(element('p', scopes.length ? `Scopes: ${scopes.join(', ')}` : '', 'scope'))
      const query = (call.parameters ?? []).map(p => `${p.name}${p.required ? '*' : ''}: ${p.schema?.type ?? 'string'}`)
      if (query.length) box.append(element('strong', 'Query'), element('pre', query.join('\n')))
      const body = call.requestBody?.content?.['application/json']?.schema
      if (body) box.append(element('strong', 'Body'), element('pre', fields(document_, body)))
      const answer = call.responses?.['200']?.content?.['application/json']?.schema
      if (answer) box.append(element('strong', 'Answer'), element('pre', fields(document_, answer.items ?? answer)))
      calls.append(box)
    }
  }
}

fetch('/api/openapi.json').then(response => response.json()).then(show)
