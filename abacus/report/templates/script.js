"use strict";
{
  const data = JSON.parse(document.getElementById("contents").textContent);

  // Figures. `ast`: expressions are interpreted, not compiled, which the page's policy forbids.
  const how = {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
    config: data.config, tooltip: { disableDefaultStyle: true, theme: "page" },
  };
  for (const [name, spec] of Object.entries(data.figures)) {
    const place = document.getElementById(`plot-${name}`);
    vegaEmbed(place, spec, how).then(
      () => { place.dataset.drawn = "yes"; },
      (error) => { console.error(error); place.textContent = `This figure could not be drawn: ${error.message}`; },
    );
  }

  // Answers. Whatever a model said is put in as text, never as HTML.
  const PAGE = 25;
  const CHINESE = /[\u4e00-\u9fff]/;
  const { checkpoints, best, metrics, questions, old } = data.answers;
  const at = (id) => document.getElementById(id);
  const element = (name, kind, ...inside) => {
    const found = document.createElement(name);
    if (kind) found.className = kind;
    found.append(...inside);
    return found;
  };
  const said = (name, kind, text) => {
    const found = element(name, kind, text);
    if (CHINESE.test(text)) found.lang = "zh-Hans";
    return found;
  };
  const isRight = (answer) => answer !== null && (answer[1] & 1) === 1;
  const isCut = (answer) => answer !== null && (answer[1] & 4) === 0;

  const verdict = (answer, part) => {
    const cut = isCut(answer) ? ", cut" : "";
    if (isRight(answer)) return element("span", "verdict right", `✓ right${cut}`);
    if (answer[1] & 2) return element("span", "verdict near", `≈ right by ${metrics[part][1]} only${cut}`);
    return element("span", "verdict wrong", `✗ wrong${cut}`);
  };
  const side = (title, answer, part) => {
    if (!answer) return element("div", "", element("dt", "", title), element("dd", "", "was not asked this"));
    const text = answer[0].trim() === "" ? element("dd", "", "(nothing)") : said("dd", "", answer[0].trim());
    return element("div", "", element("dt", "", `${title} `, verdict(answer, part)), text);
  };
  const card = (one, number) => {
    const list = element("dl", "",
      element("div", "", element("dt", "", one.r.length > 1 ? "References" : "Reference"), said("dd", "", one.r.join("\n"))),
      side("Base model", one.a[0], one.p));
    if (number > 0) list.append(side(`Checkpoint ${number}`, one.a[number], one.p));
    if (old) list.append(side(old, one.o, one.p));
    const found = element("li", "answer", element("p", "q", element("span", "tag", one.c), said("span", "", one.q)), list);
    found.tabIndex = -1;
    return found;
  };

  const browse = () => {
    const [text, checkpoint, category, outcome] = ["text", "checkpoint", "category", "outcome"].map((id) => at(`f-${id}`));
    for (const number of checkpoints) {
      const title = number === 0 ? "base model" : `${number}${number === best ? " (best)" : ""}`;
      checkpoint.append(new Option(title, number, number === best, number === best));
    }
    const kinds = new Map();
    for (const one of questions) kinds.set(one.c, (kinds.get(one.c) || 0) + 1);
    const problems = questions.filter((one) => one.p === "math").length;
    category.append(new Option(`all (${questions.length})`, "all"), new Option(`problems (${problems})`, "math"));
    for (const [kind, count] of kinds) category.append(new Option(`${kind} (${count})`, `=${kind}`));

    const outcomes = {
      all: () => true,
      right: (base, now) => isRight(now),
      wrong: (base, now) => !isRight(now),
      gained: (base, now) => isRight(now) && !isRight(base),
      lost: (base, now) => !isRight(now) && isRight(base),
      cut: (base, now) => isCut(now),
    };
    let found = [];
    let shown = 0;
    const show = (count) => {
      const upto = Math.min(found.length, shown + count);
      const cards = found.slice(shown, upto).map((one) => card(one, Number(checkpoint.value)));
      at("list").append(...cards);
      shown = upto;
      at("more").hidden = at("whole").hidden = shown === found.length;
      at("more").textContent = `Show ${Math.min(PAGE, found.length - shown)} more`;
      at("whole").textContent = `Show all ${found.length}`;
      return cards;
    };
    const filter = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const number = Number(checkpoint.value);
      found = questions.filter((one) => {
        if (category.value === "math" && one.p !== "math") return false;
        if (category.value.startsWith("=") && one.c !== category.value.slice(1)) return false;
        if (!outcomes[outcome.value](one.a[0], one.a[number])) return false;
        if (!words.length) return true;
        const all = [one.q, one.c, ...one.r, ...[one.a[0], one.a[number]].map((answer) => (answer ? answer[0] : ""))];
        const whole = all.join("\n").toLowerCase();
        return words.every((word) => whole.includes(word));
      });
      const right = (index) => found.filter((one) => isRight(one.a[index])).length;
      const whom = number === 0 ? "" : `checkpoint ${number} has ${right(number)} right, `;
      at("count").textContent = `${found.length} of ${questions.length} questions: ${whom}the base model ${right(0)}`;
      at("list").replaceChildren();
      shown = 0;
      show(PAGE);
    };
    let waiting = 0;
    text.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
    for (const choice of [checkpoint, category, outcome]) choice.addEventListener("change", filter);
    at("filters").addEventListener("submit", (event) => { event.preventDefault(); filter(); });
    at("filters").addEventListener("reset", () => setTimeout(filter));
    const further = (count) => { const [first] = show(count); if (first) first.focus(); };
    at("more").addEventListener("click", () => further(PAGE));
    at("whole").addEventListener("click", () => further(Infinity));
    filter();
  };
  if (questions.length) browse();
}
