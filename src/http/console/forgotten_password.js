"use strict";

const form = document.getElementById("form");
const message = document.getElementById("message");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch("api/v1/forgotten-password", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username: document.getElementById("username").value }),
    });
    if (answer.ok) {
      form.hidden = true;
      message.textContent = "If there is such an account, a mail is on its way. Its link works once, and not for long.";
      return;
    }
    const problem = await answer.json();
    message.textContent = problem.code === "too_many_attempts" ? "That was asked too often. Try again later." : problem.detail;
  } catch {
    message.textContent = "The server could not be reached. Try again.";
  }
  button.disabled = false;
});
