"use strict";
// Everything that requests, commands and tables said is put into the page as text, never as markup.
// Requests carry the credentials that were typed here, never what the browser may have kept
// (credentials: "omit"), so that the browser learns none that another site could use.

const byId = (id) => document.getElementById(id);
const known = new Map(); // number of a request -> its element
const forms = new Map(); // route key -> its element
const KEPT = 200;
const SHOWN = 1 << 18;

function make(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function headers(more) {
  const principal = byId("principal").value;
  if (principal) {
    const bytes = new TextEncoder().encode(principal + ":" + byId("secret").value);
    more.Authorization = "Basic " + btoa(String.fromCharCode(...bytes));
  }
  return more;
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

// -- routes -----------------------------------------------------------------------------------

const key = (route) => route.methods.join() + " " + route.path;

function showRoutes(routes) {
  const open = new Set([...forms].filter(([, element]) => element.open).map(([name]) => name));
  const elements = [];
  const fresh = new Map();
  let process = "";
  for (const route of routes) {
    const own = route.path.split("/")[1];
    if (own !== process) elements.push(make("h3", "/" + own));
    process = own;
    const before = forms.get(key(route));
    const same = before && before.dataset.route === JSON.stringify(route);
    const element = same ? before : routeElement(route);
    element.open = open.has(key(route));
    fresh.set(key(route), element);
    elements.push(element);
  }
  forms.clear();
  for (const [name, element] of fresh) forms.set(name, element);
  byId("routes").replaceChildren(...elements);
}

function routeElement(route) {
  const element = byId("route-template").content.cloneNode(true).firstElementChild;
  const find = (selector) => element.querySelector(selector);
  element.dataset.route = JSON.stringify(route);
  find(".method").textContent = route.methods[0];
  find(".path").textContent = route.path;
  find(".help").textContent = route.help;
  find(".facts").textContent = `Answers ${route.delivery === "stream" ? "in a stream" : "whole"} as `
    + `${route.content_type}, in ${route.timeout} s at most`
    + (route.realm ? `, realm ${route.realm}.` : ".");
  const fields = [];
  const add = (label, field, hint) => {
    const wrapper = make("label");
    wrapper.append(make("span", label, "name"), " ", field);
    if (hint) wrapper.append(make("span", hint, "hint"));
    find(".parameters").append(wrapper);
  };
  if (route.methods.length > 1) {
    const field = make("select");
    for (const method of route.methods) field.append(new Option(method, method));
    fields.push({ field, kind: "method" });
    add("method", field);
  }
  const parameters = route.parameters.concat(
    { name: "timeout", in: "query", type: "seconds, to be ended sooner", input: "text", help: "" });
  for (const parameter of parameters) {
    const field = inputFor(parameter);
    fields.push({ field, kind: parameter.in, parameter });
    const hint = parameter.type + (parameter.help ? ". " + parameter.help : "");
    add(parameter.name + (parameter.required ? " *" : ""), field, hint);
  }
  if (route.stdin === "body") {
    const text = make("textarea");
    text.rows = 3;
    const file = make("input");
    file.type = "file";
    fields.push({ field: text, kind: "text" }, { field: file, kind: "file" });
    add("body", text, "The command's standard input.");
    add("or a file", file);
  }
  const form = find("form");
  const write = () => { find(".shell").textContent = shell(plan(route, fields)); };
  form.addEventListener("input", write);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(plan(route, fields), find);
  });
  write();
  return element;
}

function inputFor(parameter) {
  let field = make("input");
  if (parameter.input === "enum") {
    field = make("select");
    field.append(new Option("(not given)", ""));
    for (const value of parameter.values) field.append(new Option(value, value));
  } else if (parameter.input === "boolean") {
    field.type = "checkbox";
  } else if (parameter.input === "integer") {
    field.inputMode = "numeric";
    field.placeholder = `${parameter.minimum} to ${parameter.maximum}`;
  }
  field.autocomplete = "off";
  field.spellcheck = false;
  return field;
}

function plan(route, fields) {
  const planned = { method: route.methods[0], target: route.path, body: null, bodyName: "" };
  const query = [];
  for (const { field, kind, parameter } of fields) {
    if (kind === "method") planned.method = field.value;
    else if (kind === "text" && field.value) planned.body = field.value;
    else if (kind === "file" && field.files.length) planned.body = field.files[0];
    else if (field.type === "checkbox") {
      if (field.checked) query.push(parameter.name + "=true");
    } else if (kind === "path" && field.value) {
      planned.target += "/" + encodeURIComponent(field.value);
    } else if (kind === "query" && field.value) {
      query.push(parameter.name + "=" + encodeURIComponent(field.value));
    }
  }
  if (query.length) planned.target += "?" + query.join("&");
  return planned;
}

function shell({ method, target, body }) {
  const quote = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
  const data = body === null ? "" : typeof body === "string" ? " --data FILE"
    : " --data " + quote(body.name);
  return `agentsim call ${method} ${quote(location.origin + target)}${data}`;
}

async function run({ method, target, body }, find) {
  const [outcome, output, stop] = [".outcome", ".output", ".stop"].map(find);
  const leaving = new AbortController();
  const started = performance.now();
  const say = (text, className) => {
    outcome.textContent = text;
    outcome.className = "outcome " + className;
  };
  find(".answer").hidden = false;
  output.textContent = "";
  say("running…", "busy");
  stop.disabled = false;
  stop.onclick = () => leaving.abort();
  try {
    const response = await fetch(target, {
      method, body, headers: headers({}), credentials: "omit", cache: "no-store",
      redirect: "error", signal: leaving.signal,
    });
    say(`${response.status} ${response.statusText}, running…`, "busy");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let last = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      last = (last + value).slice(-8192);
      output.textContent = (output.textContent + value).slice(-SHOWN);
      output.scrollTop = output.scrollHeight;
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(3);
    const [text, good] = verdict(response, last);
    say(`${response.status} ${response.statusText}${text}, ${seconds} s`, good ? "good" : "bad");
    if ((response.headers.get("Content-Type") || "").includes("json")) layOut(output);
  } catch (error) {
    say(leaving.signal.aborted ? "left before the end" : `no answer, or a cut one (${error})`, "bad");
  }
  stop.disabled = true;
}

function verdict(response, last) {
  const type = response.headers.get("Content-Type") || "";
  if (!response.ok || !type.startsWith("application/x-ndjson")) return ["", response.ok];
  try {
    const record = JSON.parse(last.trimEnd().split("\n").pop());
    if (record.record === "exit") {
      const end = record.signal || `exit ${record.exit_code}`;
      return [`, ${end}${record.reason === "exit" ? "" : ` (${record.reason})`}`,
        record.exit_code === 0 && record.reason === "exit"];
    }
  } catch { /* the last line is no record */ }
  return [", cut: no exit record", false];
}

function layOut(output) {
  try {
    output.textContent = JSON.stringify(JSON.parse(output.textContent), null, 2);
  } catch { /* a stream of documents, or a long one: as it came */ }
}

// -- requests ---------------------------------------------------------------------------------

function showRequests(requests) {
  for (const request of requests) {
    let element = known.get(request.number);
    if (!element) {
      element = byId("request-template").content.cloneNode(true).firstElementChild;
      known.set(request.number, element);
      byId("requests").prepend(element);
    }
    fillRequest(element, request);
  }
  for (const number of [...known.keys()].slice(0, Math.max(0, known.size - KEPT))) {
    known.get(number).remove();
    known.delete(number);
  }
  byId("none").hidden = known.size > 0;
}

function fillRequest(element, request) {
  const find = (selector) => element.querySelector(selector);
  const query = Object.entries(request.query).map(([name, value]) => `${name}=${value}`).join("&");
  find(".line").textContent = `${request.method} ${request.path}${query ? "?" + query : ""}`;
  const [text, className] = state(request);
  find(".state").textContent = text;
  find(".state").className = "state " + className;
  find(".when").textContent = new Date(request.started * 1000).toLocaleTimeString()
    + (request.seconds === undefined ? "" : `, ${request.seconds} s`);
  find(".facts").textContent = [
    `request ${request.request_id}`,
    request.principal && `by ${request.principal}`,
    request.pid && `process ${request.pid}`,
    request.status && `status ${request.status}`,
    request.reason && `reason ${request.reason}`,
    request.detail,
    request.client_gone && "the client left",
    `${request.bytes} bytes of output${request.output_cut ? ", the last of them:" : ""}`,
  ].filter(Boolean).join(" · ");
  const output = find(".output");
  output.textContent = request.output;
  output.hidden = !request.output;
  output.scrollTop = output.scrollHeight;
  find(".stderr").textContent = request.stderr || "";
  find(".stderr").hidden = !request.stderr;
}

function state(request) {
  if (request.running) return ["running", "busy"];
  if (request.signal) return [request.signal, "bad"];
  if (request.exit_code === undefined || request.exit_code === null) {
    return [request.reason ? "not started" : `refused ${request.status || ""}`, "bad"];
  }
  const good = request.exit_code === 0 && request.reason === "exit";
  return [`exit ${request.exit_code}`, good ? "good" : "bad"];
}

function showCounters(counters) {
  let [started, running, waiting] = [0, 0, 0];
  for (const element of forms.values()) {
    const route = JSON.parse(element.dataset.route);
    const place = `commands${route.path}/${route.methods[0]}`;
    const words = [];
    for (const name of ["started", "running", "waiting", "refused", "failed"]) {
      const count = counters[`${place}/${name}`];
      if (count) words.push(`${count} ${name}`);
    }
    element.querySelector(".count").textContent = words.join(", ");
  }
  for (const [name, value] of Object.entries(counters)) {
    if (name.endsWith("/started")) started += value;
    if (name.endsWith("/running")) running += value;
    if (name.endsWith("/waiting")) waiting += value;
  }
  byId("totals").textContent = `${started} started, ${running} running, ${waiting} waiting`;
}

async function follow() {
  const say = (text) => { byId("connection").textContent = text; };
  for (;;) {
    try {
      const response = await fetch("/", {
        headers: headers({ Accept: "application/x-ndjson" }), credentials: "omit", cache: "no-store",
      });
      if (response.status === 401) {
        say("the agent asks for credentials");
        byId("who").open = true;
      } else if (!response.ok) {
        say(`the agent answers ${response.status}`);
      } else {
        say("connected");
        for (const element of known.values()) element.remove();
        known.clear();
        for await (const line of lines(response)) {
          const event = JSON.parse(line);
          if (event.routes) showRoutes(event.routes);
          if (event.requests) showRequests(event.requests);
          if (event.counters) showCounters(event.counters);
        }
        say("the agent has closed the connection");
      }
    } catch {
      say("the agent does not answer; trying again");
    }
    await new Promise((resume) => { setTimeout(resume, 1500); });
  }
}

byId("place").textContent = location.host;
follow();
