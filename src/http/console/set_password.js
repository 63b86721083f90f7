"use strict";

const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

const form = document.getElementById("form");
const password = document.getElementById("password");
const again = document.getElementById("again");
const message = document.getElementById("message");

function say(lines) {
  message.replaceChildren(...lines.map((line) => {
    const item = document.createElement("span");
    item.textContent = line;
    return item;
  }));
}

document.getElementById("show").addEventListener("change", (event) => {
  password.type = again.type = event.target.checked ? "text" : "password";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (password.value !== again.value) {
    say(["The two passwords differ."]);
    return;
  }
  try {
    const answer = await fetch("api/v1/password-link", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, password: password.value }),
    });
    if (answer.ok) {
      form.hidden = true;
      say(["Your password is set. You can log in now."]);
      return;
    }
    const problem = await answer.json();
    const faults = (problem.errors || []).map((fault) => `The password ${fault.message}.`);
    say(problem.code === "no_such_transaction" ? [gone] : faults.length ? faults : [problem.detail]);
  } catch {
    say(["The server could not be reached. Try again."]);
  }
});

const gone = "This link was used already or is too old. Ask for a new one.";

/** The rules in words, as far as somebody can keep them by knowing them. */
function told(rules) {
  const kinds = [["upper", "a capital letter"], ["lower", "a small letter"], ["digit", "a digit"], ["special", "a sign"]];
  const wanted = kinds.filter(([kind]) => rules[`require_${kind}`]).map(([, words]) => words);
  return [
    `At least ${rules.min_length} characters; blanks and any script are welcome.`,
    wanted.length ? `With ${wanted.join(", ")}.` : "",
    rules.forbid_names ? "Without your username, name or email address." : "",
    rules.blocklist || rules.breached ? "None that everybody tries first, or that is known from a breach." : "",
    rules.history ? `None of your last ${rules.history} passwords.` : "",
  ].filter((line) => line);
}

async function look() {
  const answer = await fetch("api/v1/password-link", { headers: { Authorization: `Bearer ${token}` } });
  if (answer.ok) {
    const { username, rules } = await answer.json();
    document.getElementById("account").textContent = `For ${username}.`;
    document.getElementById("rules").replaceChildren(...told(rules).map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
    document.getElementById("username").value = username;
  } else if (answer.status === 404) {
    form.hidden = true;
    say([gone]);
  }
}

if (token) {
  look().catch(() => say(["The server could not be reached. Try again."]));
} else {
  form.hidden = true;
  say(["This address is only complete with the link that was sent to you."]);
}
