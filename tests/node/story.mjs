// One call with the official Node SDK, unmodified; prints what came of it as JSON.
// Argument: {"baseURL", "apiKey", "call": "chat"|"stream"|"helper"|"usage"|"models"|"embeddings"|"response"|"upload MEGABYTES"|"model NAME", "options": {…}}
import OpenAI from "openai";

const { baseURL, apiKey, call, options } = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL, apiKey, ...options });
const hello = { model: "gpt-4o", messages: [{ role: "user", content: "Hello" }], max_tokens: 5 };

const calls = {
  chat: async () => (await client.chat.completions.create(hello)).choices[0].message.content,
  stream: async () => {
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...hello, stream: true }))
      text += chunk.choices[0]?.delta.content ?? "";
    return text;
  },
  helper: async () => (await client.chat.completions.stream(hello).finalChatCompletion()).choices[0].message.content,
  usage: async () => {
    let usage;
    const asked = { ...hello, stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await client.chat.completions.create(asked)) usage = chunk.usage ?? usage;
    return usage.total_tokens;
  },
  models: async () => (await client.models.list()).data.map((model) => model.id),
  embeddings: async () =>
    (await client.embeddings.create({ model: "text-embedding-3-small", input: "Hello" })).data[0].embedding,
  response: async () => (await client.responses.create({ model: "gpt-4o", input: "Hello" })).output_text,
};

// Calls with an argument after their name.
const more = {
  upload: (megabytes) =>
    client.chat.completions.create({ ...hello, messages: [{ role: "user", content: "x".repeat(megabytes << 20) }] }),
  model: (model) => client.chat.completions.create({ ...hello, model }),
};

try {
  const [name, argument] = call.split(" ");
  console.log(JSON.stringify({ answer: await (argument ? more[name](argument) : calls[name]()) }));
} catch (error) {
  console.log(
    JSON.stringify({
      error: {
        class: error.constructor.name,
        message: error.message,
        status: error.status,
        code: error.code,
        type: error.type,
        requestID: error.requestID,
      },
    }),
  );
}
