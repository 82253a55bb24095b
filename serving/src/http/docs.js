"use strict";
// Everything is set as text: nothing in the description is taken for markup.
const make = (name, text, children = []) => {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
};

let schemas = {};

const nameOf = (schema) => schema.$ref?.split("/").pop();

const typeOf = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema);
  if (schema.oneOf || schema.anyOf) return (schema.oneOf ?? schema.anyOf).map(typeOf).join(" | ");
  if (schema.allOf) return schema.allOf.map(typeOf).join(" & ");
  if (schema.enum) return schema.enum.join(" | ");
  const type = [].concat(schema.type ?? "any").join(" | ");
  return schema.items ? `${typeOf(schema.items)}[]` : type;
};

const fieldsOf = (schema, depth = 0) => {
  if (!schema || depth > 4) return [];
  if (schema.$ref) return fieldsOf(schemas[nameOf(schema)], depth + 1);
  if (schema.allOf) return schema.allOf.flatMap((part) => fieldsOf(part, depth + 1));
  if (schema.items) return fieldsOf(schema.items, depth + 1);
  return Object.entries(schema.properties ?? {});
};

const table = (head, rows) => {
  const header = make("tr", "", head.map((cell) => make("th", cell)));
  const body = rows.map((row) => make("tr", "", row.map((cell) => make("td", cell))));
  return make("table", "", [make("thead", "", [header]), make("tbody", "", body)]);
};

const shape = (title, schema) => {
  const rows = fieldsOf(schema).map(([name, field]) => [name, typeOf(field), field.description ?? ""]);
  const parts = [make("h3", `${title}: ${typeOf(schema)}`)];
  if (rows.length) parts.push(table(["field", "type", ""], rows));
  return parts;
};

const operation = (path, method, description) => {
  const head = make("summary", "", [make("code", method.toUpperCase()), make("code", path), make("span", description.summary ?? "")]);
  const parts = [head];
  if (description.description) parts.push(make("p", description.description));
  const parameters = description.parameters ?? [];
  if (parameters.length) {
    const rows = parameters.map((one) => [one.name, one.in, typeOf(one.schema), one.description ?? ""]);
    parts.push(make("h3", "Parameters"), table(["name", "in", "type", ""], rows));
  }
  const body = Object.values(description.requestBody?.content ?? {})[0];
  if (body) parts.push(...shape("Body", body.schema));
  for (const [status, response] of Object.entries(description.responses ?? {})) {
    const content = Object.entries(response.content ?? {})[0];
    if (content) parts.push(...shape(`${status} ${content[0]}`, content[1].schema));
    else parts.push(make("h3", status));
  }
  const details = make("details", "", parts);
  details.dataset.text = `${method} ${path} ${description.summary ?? ""}`.toLowerCase();
  return details;
};

const show = (api) => {
  schemas = api.components?.schemas ?? {};
  document.getElementById("about").textContent = `${api.info.title} ${api.info.version}. ${api.info.description ?? ""}`;
  const list = document.getElementById("operations");
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, description] of Object.entries(methods)) list.append(operation(path, method, description));
  }
  document.getElementById("search").hidden = false;
  document.getElementById("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const details of list.children) details.hidden = !details.dataset.text.includes(wanted);
  });
};

const failed = (status) => {
  const about = document.getElementById("about");
  if (status !== 401) {
    about.textContent = `The description cannot be loaded: ${status}`;
    return;
  }
  const dashboard = make("a", "the dashboard");
  dashboard.href = "/";
  about.replaceChildren("This server asks for a key. Give it in ", dashboard, "; then this page works too.");
};

// The colours chosen in the dashboard.
const theme = localStorage.getItem("clientele-theme");
if (theme) document.documentElement.dataset.theme = theme;

fetch("/api/openapi.json")
  .then(async (answer) => (answer.ok ? show(await answer.json()) : failed(answer.status)))
  .catch((error) => failed(error.message));
