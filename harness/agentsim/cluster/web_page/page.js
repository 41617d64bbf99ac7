"use strict";
// What agents and requests said is put into the page as text, never as markup.

const byId = (id) => document.getElementById(id);
const agents = new Map(); // by number
const SHOWN = 200;
const KEPT = 100;

function make(name, text, className) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function row(cells, className) {
  const element = make("tr", undefined, className);
  for (const cell of cells) element.append(make("td", cell));
  return element;
}

// What a person calls the state of an agent: its machine first, then its membership.
function state(agent) {
  if (agent.power === "off") return "dead";
  if (agent.power === "hung") return "hung";
  return agent.draining ? "draining" : agent.state;
}

function words(agent) {
  return [agent.hostname, agent.address, agent.zone, agent.region, state(agent), agent.id,
    ...agent.faults].join(" ").toLowerCase();
}

function showTotals() {
  const counts = new Map(); // zone -> state -> number
  const states = new Map();
  for (const agent of agents.values()) {
    const zone = [agent.region, agent.zone].filter(Boolean).join("/") || "no zone";
    if (!counts.has(zone)) counts.set(zone, new Map());
    const of = counts.get(zone);
    of.set(state(agent), (of.get(state(agent)) || 0) + 1);
    states.set(state(agent), (states.get(state(agent)) || 0) + 1);
  }
  const names = [...states.keys()].sort();
  byId("states").replaceChildren(...["zone", ...names].map((name) => make("th", name)));
  byId("zones").replaceChildren(...[...counts].sort().map(([zone, of]) =>
    row([zone, ...names.map((name) => of.get(name) || 0)])));
  byId("totals").textContent = `${agents.size} agents: `
    + names.map((name) => `${states.get(name)} ${name}`).join(", ");
}

function showAgents() {
  const wanted = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...agents.values()].filter((agent) => {
    const text = words(agent);
    return wanted.every((word) => text.includes(word));
  });
  byId("agents").replaceChildren(...found.slice(0, SHOWN).map((agent) => row([
    agent.hostname, agent.address, agent.zone || "",
    [state(agent), ...agent.faults].join(", "), agent.tasks || "", agent.id || "",
  ])));
  byId("found").textContent = found.length > SHOWN
    ? `${found.length} found, the first ${SHOWN} are shown` : `${found.length} found`;
}

function showRequests(requests) {
  const list = byId("requests");
  for (const request of requests) {
    const element = make("li", undefined, "request");
    const summary = make("p");
    const good = request.status >= 200 && request.status < 400;
    summary.append(make("span", request.status || "gone", `state ${good ? "good" : "bad"}`), " ",
      make("code", `${request.hostname} ${request.method} ${request.path}`), " ",
      make("span", `${request.seconds} s`, "when"));
    element.append(summary);
    list.prepend(element);
  }
  while (list.children.length > KEPT) list.lastChild.remove();
  byId("none").hidden = list.children.length > 0;
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

async function follow() {
  const say = (text) => { byId("connection").textContent = text; };
  for (;;) {
    try {
      const response = await fetch("/", {
        headers: { Accept: "application/x-ndjson" }, credentials: "omit", cache: "no-store",
      });
      if (!response.ok) {
        say(`the cluster answers ${response.status}`);
      } else {
        say("connected");
        agents.clear();
        byId("requests").replaceChildren();
        for await (const line of lines(response)) {
          const event = JSON.parse(line);
          for (const agent of event.agents || []) agents.set(agent.number, agent);
          if (event.agents) { showTotals(); showAgents(); }
          if (event.requests) showRequests(event.requests);
        }
        say("the cluster has closed the connection");
      }
    } catch {
      say("the cluster does not answer; trying again");
    }
    await new Promise((resume) => { setTimeout(resume, 1500); });
  }
}

byId("place").textContent = location.host;
byId("search").addEventListener("input", showAgents);
follow();
