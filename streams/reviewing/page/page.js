// One picture at a time. All words come as JSON and go into the page as text, never as HTML.

const $ = (id) => document.getElementById(id);
const SAID = new Map([[true, "readable"], [false, "not readable"], [null, "can’t tell"]]);

let reviewer = "";
let shown = null; // the picture as the server described it
let seen = false; // whether it is on the screen: what nobody saw, nobody judges
let answer = {}; // `readable` and `score`, absent until chosen
let before = []; // the numbers of the pictures shown before this one
let previous = null; // the picture judged last, for the panel below
let busy = false;
const clock = { started: null, kept: 0 };

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is `glyphstream review` still running?");
  }
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(told.error ?? `The server answered ${response.status}.`);
  return told;
}

async function once(work) {
  if (busy) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  $("message").textContent = "";
  try {
    await work();
  } catch (error) {
    $("message").textContent = error.message;
  } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
  }
}

async function show(number) {
  const told = await ask(`pictures/${number}`);
  shown = told;
  answer = told.answer ? { readable: told.answer.readable, score: told.answer.score } : {};
  $("end").hidden = true;
  $("judging").hidden = false;
  tellProgress(told);
  $("heading").textContent = `Picture ${number + 1} of ${told.total}`;
  showImage(number, told);
  $("expected").textContent = expectation(told.texts);
  $("texts").replaceChildren(...(told.texts ?? []).map((each) => expected(each, told.lang)));
  $("comment").value = told.answer?.comment ?? "";
  $("remark").open = $("comment").value !== "";
  tellChoice();
  tellAbout();
  $("heading").focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
  told.ahead.forEach((each) => { new Image().src = `pictures/${each}/image`; });
}

function showImage(number, told) {
  const image = $("image");
  stopClock();
  clock.kept = 0;
  image.onload = () => {
    seen = true;
    startClock();
    tellChoice();
  };
  image.onerror = () => tellMissing(number);
  // The last picture would stay until this one has come, beside this one's words.
  seen = false;
  image.removeAttribute("src");
  // Its place is kept while it loads.
  image.width = told.width || 1024;
  image.height = told.height || 1024;
  image.alt = `Picture ${number + 1}`;
  image.src = `pictures/${number}/image`;
  enlarge(false);
}

async function tellMissing(number) {
  const response = await fetch(`pictures/${number}/image`).catch(() => null);
  const told = response === null || response.ok ? {} : await response.json().catch(() => ({}));
  if (shown.number !== number || seen) return;
  $("message").textContent = `${told.error ?? "The picture cannot be shown."} Skip it, or try again later.`;
}

function expectation(texts) {
  if (texts === null) return "Which words are expected is not known; judge those there are";
  return texts.length ? "These words are expected" : "No words are expected; judge those there are";
}

function expected(each, lang) {
  const item = document.createElement("li");
  const words = document.createElement("bdi");
  words.textContent = each.text;
  if (lang) words.lang = lang;
  item.append(words);
  if (each.critical) {
    const note = document.createElement("small");
    note.textContent = "to the letter";
    item.append(" ", note);
  }
  return item;
}

function tellProgress(told) {
  $("who").textContent = `${told.judged} of ${told.total} judged, by ${reviewer}`;
  $("progress").max = told.total;
  $("progress").value = told.judged;
}

function tellChoice() {
  for (const button of document.querySelectorAll("[data-readable], [data-score]")) {
    const [[name, value]] = Object.entries(button.dataset);
    button.setAttribute("aria-pressed", String(answer[name] === JSON.parse(value)));
    button.disabled = !seen;
  }
  $("save").disabled = !complete();
  $("back").disabled = before.length === 0;
  $("how").textContent = automatic() ? "Answer both, and the next picture comes." : "Save takes you on.";
}

const complete = () => seen && answer.readable !== undefined && answer.score !== undefined;
const automatic = () => !shown.answer && !$("remark").open;

function choose(name, value) {
  if (busy || !seen) return;
  answer[name] = value;
  tellChoice();
  if (complete() && automatic()) save();
}

function save() {
  if (!complete()) return;
  once(async () => {
    const told = await ask(`pictures/${shown.number}/review`, {
      ...answer, turn: shown.turn, comment: $("comment").value.trim(), milliseconds: elapsed(),
    });
    previous = { number: shown.number, ...answer, facts: shown.shown };
    before.push(shown.number);
    await goOn(told);
  });
}

async function goOn(told) {
  if (told.next !== null) await show(told.next);
  else end(told);
}

const skip = () => once(async () => {
  before.push(shown.number);
  await goOn({ ...shown });
});

const back = () => once(async () => {
  if (before.length) await show(before.pop());
});

function end(told) {
  tellProgress(told);
  const left = told.total - told.judged;
  stopClock();
  $("judging").hidden = true;
  $("end").hidden = false;
  $("heading").textContent = "glyphstream review";
  $("end-title").textContent = left ? `${left} of ${told.total} skipped` : "All judged, thank you";
  $("again").hidden = left === 0;
  $("end-back").hidden = before.length === 0;
  $("end-title").focus();
}

function tellAbout() {
  const own = shown.shown && { number: shown.number, facts: shown.shown };
  const about = own ?? previous;
  $("about").hidden = !about;
  if (!about) return;
  $("about-title").textContent = own ? "What the line made of this one" : `Picture ${about.number + 1}, the last one`;
  $("said").textContent = own ? "" : `You said: ${SAID.get(about.readable)}, ${about.score} of 5.`;
  $("reveal").hidden = Boolean(about.facts);
  $("facts").replaceChildren(...(about.facts ? facts(about.facts) : []));
}

const reveal = () => once(async () => {
  previous.facts = await ask(`pictures/${previous.number}/reveal`, {});
  tellAbout();
});

function facts(told) {
  const rows = [
    ["Verdict", told.status.replaceAll("_", " ")],
    ["Score", told.score === null ? "none" : told.score.toFixed(2)],
    ["Engine", `${told.engine || "unknown"}${told.emulated ? " (emulated)" : ""}`],
    ["Model", told.model],
    ["Price", `$${told.usd.toFixed(4)}, all attempts`],
    ...told.texts.map((each) => [each.verdict === "read" ? "Read" : each.verdict === "missed" ? "Missed" : "Not covered",
      each.verdict === "read" || !each.read ? each.text : `${each.text}, read as ${each.read}`]),
    ["Also read", told.extra.join(" · ")],
    ["Why", told.reason],
  ];
  return rows.filter(([, text]) => text).flatMap(([name, text]) => {
    const term = document.createElement("dt");
    const words = document.createElement("dd");
    term.textContent = name;
    words.textContent = text;
    words.dir = "auto";
    return [term, words];
  });
}

function enlarge(large) {
  $("picture").classList.toggle("large", large);
  $("picture").setAttribute("aria-pressed", String(large));
}

// Only time in which the picture could be seen counts.
function startClock() {
  if (clock.started === null && !document.hidden) clock.started = performance.now();
}

function stopClock() {
  clock.kept = elapsed();
  clock.started = null;
}

function elapsed() {
  const running = clock.started === null ? 0 : performance.now() - clock.started;
  return Math.min(Math.round(clock.kept + running), 86_400_000);
}

function finish() {
  once(async () => {
    await ask("finish", {});
    $("end-title").textContent = "Finished";
    $("end-text").textContent = "The server has stopped. You can close this page.";
    document.querySelectorAll("#end button").forEach((button) => { button.hidden = true; });
  });
}

function onKey(event) {
  if (event.key === "Escape") document.activeElement?.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || $("judging").hidden) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("judging").hidden) save();
    return;
  }
  if (!$("keys").checked || event.target.closest("textarea")) return;
  // A key that is held must not run through the pictures.
  if (event.repeat) return;
  const keys = {
    y: () => choose("readable", true), n: () => choose("readable", false), u: () => choose("readable", null),
    c: comment, z: back, s: skip,
  };
  const key = event.key.toLowerCase();
  if (/^[1-5]$/.test(key)) choose("score", Number(key));
  else if (key in keys) keys[key]();
  else if (key === "enter" && !event.target.closest("button, summary, input")) save();
  else return;
  event.preventDefault();
}

function comment() {
  $("remark").open = true;
  $("comment").focus();
}

document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stopClock();
  else if (seen && !$("judging").hidden) startClock();
});
$("readable").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) choose("readable", JSON.parse(button.dataset.readable));
});
$("score").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) choose("score", Number(button.dataset.score));
});
$("remark").addEventListener("toggle", () => shown && tellChoice());
$("picture").addEventListener("click", () => enlarge(!$("picture").classList.contains("large")));
$("save").addEventListener("click", save);
$("skip").addEventListener("click", skip);
$("back").addEventListener("click", back);
$("end-back").addEventListener("click", back);
$("again").addEventListener("click", () => once(async () => goOn(await ask("session"))));
$("finish").addEventListener("click", finish);
$("reveal").addEventListener("click", reveal);

once(async () => {
  const told = await ask("session");
  reviewer = told.reviewer;
  await goOn(told);
});
